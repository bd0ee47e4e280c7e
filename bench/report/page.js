"use strict";

(() => {
  const table = document.getElementById("table");

  // A cell without a number has no place in an order of numbers: it stays last in both directions.
  function compare(a, b, column, numeric, sign) {
    const [x, y] = [a, b].map((row) => row.cells[column]);
    if (!numeric) return sign * x.textContent.localeCompare(y.textContent, "en", { numeric: true });
    const [p, q] = [x, y].map((cell) => ("sort" in cell.dataset ? Number(cell.dataset.sort) : null));
    if (p === null || q === null) return (p === null) - (q === null);
    return sign * (p - q);
  }

  function sortBy(header) {
    const headers = [...header.parentNode.cells];
    const ascending = header.getAttribute("aria-sort") !== "ascending";
    headers.forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const column = headers.indexOf(header);
    const numeric = header.classList.contains("number");
    const rows = [...body.rows];
    rows.sort((a, b) => compare(a, b, column, numeric, ascending ? 1 : -1));
    body.append(...rows);
  }

  function filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row) => {
      const content = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => content.includes(word));
    });
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("shown").textContent = `${shown} of ${rows.length} cases`;
  }

  if (table) {
    table.tHead.addEventListener("click", (event) => {
      const header = event.target.closest("th");
      if (header) sortBy(header);
    });
    document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  }

  function openTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", openTarget);
  openTarget();

  // What is folded on the screen belongs on paper too; afterwards the page is as it was.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

  const NARROW = 560;
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    // plotly.js offers by default to send a plot to its maker's server.
    showSendToCloud: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  };
  document.querySelectorAll("script[data-plot]").forEach((script) => {
    const place = document.getElementById(script.dataset.plot);
    const { data, layout } = JSON.parse(script.textContent);
    if (place.clientWidth < NARROW) {
      layout.font.size = 11;
      layout.margin.l = 50;
      layout.margin.r = 8;
    }
    Plotly.newPlot(place, data, layout, CONFIG);
  });
})();
