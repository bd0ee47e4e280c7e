"use strict";

(() => {
  // What stands for cases goes with them: a mark, what joins several, and a panel in which nothing is left.
  document.addEventListener("cases-hidden", ({ detail: hidden }) => {
    for (const mark of document.querySelectorAll("svg [data-case]")) {
      mark.toggleAttribute("hidden", hidden.has(mark.dataset.case));
    }
    for (const several of document.querySelectorAll("svg [data-cases]")) {
      several.toggleAttribute("hidden", several.dataset.cases.split(" ").every((one) => hidden.has(one)));
    }
    for (const panel of document.querySelectorAll("figure.panel")) {
      const marks = [...panel.querySelectorAll("[data-case]")];
      panel.hidden = marks.length > 0 && marks.every((mark) => mark.hasAttribute("hidden"));
    }
  });

  function openTarget() {
    if (location.hash.includes("=")) return; // what table.js keeps there is no anchor
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", openTarget);
  openTarget();
})();
