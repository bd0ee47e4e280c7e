"use strict";

// The table of cases. Whatever else shows cases follows its filter by the event "cases-hidden" (page.js).
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const headers = [...table.tHead.rows[0].cells];
  const keys = headers.map((header) => header.dataset.key);
  const groups = [...table.tBodies];
  const rows = groups.flatMap((group) => [...group.rows]);
  const places = new Map(rows.map((row, place) => [row, place]));
  const contents = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const texts = JSON.parse(document.getElementById("table-texts").textContent);
  const field = document.getElementById("filter");
  const choices = [...document.querySelectorAll("[data-choice]")];
  const boxes = [...document.querySelectorAll(".chooser input")];
  const usual = boxes.filter((box) => box.checked).map((box) => box.value);
  const everything = document.getElementById("everything");
  const axes = [...document.querySelectorAll('input[name="frontier-x"]')];

  // What the address keeps after "#": q, sort, columns, the frontier's axis unless it is the first, and a list
  // for each choice. An anchor has no "=".
  const state = { q: "", sort: "", columns: usual, axis: "", open: "" };
  choices.forEach((choice) => { state[choice.dataset.choice] = []; });

  function decoded(word) {
    try { return decodeURIComponent(word); } catch { return word; }
  }

  function read() {
    const kept = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const list = (name) => (kept.get(name) || "").split(",").filter(Boolean).map(decoded);
    state.q = kept.get("q") || "";
    state.sort = kept.get("sort") || "";
    state.open = kept.get("open") || "";
    state.axis = kept.get("axis") || "";
    state.columns = kept.has("columns") ? list("columns") : usual;
    choices.forEach((choice) => { state[choice.dataset.choice] = list(choice.dataset.choice); });
  }

  function write() {
    const kept = new URLSearchParams();
    if (state.q) kept.set("q", state.q);
    if (state.sort) kept.set("sort", state.sort);
    for (const { dataset: { choice } } of choices) {
      if (state[choice].length) kept.set(choice, state[choice].map(encodeURIComponent).join(","));
    }
    if (state.columns.join() !== usual.join()) kept.set("columns", state.columns.join(","));
    if (state.axis) kept.set("axis", state.axis);
    if (state.open) kept.set("open", state.open);
    const hash = kept.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  // A cell without a number has no place in an order of numbers: it stays last in both directions.
  function compare(a, b, column, numeric, sign) {
    const [x, y] = [a, b].map((row) => row.cells[column]);
    if (!numeric) return sign * x.textContent.localeCompare(y.textContent, "en", { numeric: true });
    const [p, q] = [x, y].map((cell) => ("sort" in cell.dataset ? Number(cell.dataset.sort) : null));
    if (p === null || q === null) return (p === null) - (q === null);
    return sign * (p - q);
  }

  // Within each backbone: across them latencies of networks of other accuracy would stand in one order.
  function sort() {
    const [key, way] = state.sort.split(":");
    const column = keys.indexOf(key);
    const sign = way === "down" ? -1 : 1;
    headers.forEach((header, at) => {
      const sorted = at !== column ? "none" : sign > 0 ? "ascending" : "descending";
      header.setAttribute("aria-sort", sorted);
    });
    const numeric = column >= 0 && headers[column].classList.contains("number");
    for (const group of groups) {
      const dense = (row) => "dense" in row.dataset;
      const order = [...group.rows].sort((a, b) => dense(b) - dense(a)
        || (column < 0 ? 0 : compare(a, b, column, numeric, sign)) || places.get(a) - places.get(b));
      group.append(...order);
    }
  }

  function fits(row) {
    const words = state.q.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
    const content = contents.get(row);
    return words.every((word) => (word[0] === "-" ? !content.includes(word.slice(1)) : content.includes(word)))
      && choices.every(({ dataset: { choice } }) => !state[choice].length || state[choice].includes(row.dataset[choice]));
  }

  function filter() {
    const hidden = new Set();
    for (const row of rows) {
      row.hidden = !fits(row);
      if (row.hidden) hidden.add(row.dataset.case);
    }
    groups.forEach((group) => { group.hidden = [...group.rows].every((row) => row.hidden); });
    document.dispatchEvent(new CustomEvent("cases-hidden", { detail: hidden }));
    document.getElementById("shown").textContent = `${rows.length - hidden.size} of ${rows.length} cases`;
    everything.hidden = hidden.size === 0;
  }

  function hideColumns() {
    const off = keys.flatMap((key, at) => (at > 1 && !state.columns.includes(key) ? [at + 1] : []));
    document.getElementById("hidden-columns").textContent =
      off.map((at) => `#table tr > :nth-child(${at})`).join(",") + (off.length ? "{display:none}" : "");
  }

  function show() {
    field.value = state.q;
    boxes.forEach((box) => { box.checked = state.columns.includes(box.value); });
    for (const choice of choices) {
      for (const chip of choice.querySelectorAll("button")) {
        chip.setAttribute("aria-pressed", state[choice.dataset.choice].includes(chip.dataset.value));
      }
    }
    const axis = axes.find((one) => one.value === state.axis) || axes[0];
    if (axis) axis.checked = true;
    sort();
    filter();
    hideColumns();
    const target = state.open && document.getElementById(state.open);
    state.open = ""; // once: the next change is not to jump there again
    if (!(target instanceof HTMLDetailsElement)) return;
    target.open = true;
    target.scrollIntoView();
  }

  function change(...changes) {
    Object.assign(state, ...changes);
    write();
    show();
  }

  // The same bytes as `bench export`: cells come from there, and are only chosen and joined.
  function textOf(form) {
    const chosen = keys.flatMap((key, at) => (at < 2 || state.columns.includes(key) ? [at] : []));
    const shown = groups.map((group) => [...group.rows].filter((row) => !row.hidden).map((row) => places.get(row)))
      .filter((group) => group.length);
    if (form === "csv") return texts.csv.head + shown.flat().map((place) => texts.csv.lines[place]).join("");
    const columns = chosen.map((at) => texts.columns[at]);
    const lineOf = (place) => chosen.map((at) =>
      (form === "latex" ? texts.latex[place][at] : null) ?? texts.markdown[place][at]);
    if (form === "markdown") {
      const lines = [columns.map((one) => one.markdown), columns.map((one) => one.rule), ...shown.flat().map(lineOf)];
      return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
    }
    const head = `${columns.map((one) => one.latex).join(" & ")} \\\\\n\\midrule\n`;
    const body = shown.map((group) => group.map((place) => `${lineOf(place).join(" & ")} \\\\\n`).join(""));
    return `${texts.preamble}\\begin{tabular}{${columns.map((one) => one.spec).join("")}}\n\\toprule\n${head}`
      + `${body.join("\\midrule\n")}\\bottomrule\n\\end{tabular}\n`;
  }

  async function copy(text, note) {
    const box = document.getElementById("copied");
    box.value = text;
    try {
      await navigator.clipboard.writeText(text);
      box.hidden = true;
      note.textContent = "copied";
    } catch {
      box.hidden = false; // a page from a file may not write to the clipboard everywhere
      box.select();
      note.textContent = document.execCommand("copy") ? "copied" : "select and copy it below";
    }
  }

  table.tHead.addEventListener("click", (event) => {
    const header = event.target.closest("th");
    if (!header) return;
    const way = header.getAttribute("aria-sort") === "ascending" ? "down" : "up";
    change({ sort: `${header.dataset.key}:${way}` });
  });
  table.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#case-"]');
    if (!link) return;
    event.preventDefault(); // the address keeps the filter and the order
    change({ open: link.hash.slice(1) });
  });
  field.addEventListener("input", () => change({ q: field.value.trim() }));
  everything.addEventListener("click", () =>
    change({ q: "" }, ...choices.map((choice) => ({ [choice.dataset.choice]: [] }))));
  choices.forEach((choice) => choice.addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    const chosen = state[choice.dataset.choice].filter((value) => value !== chip.dataset.value);
    if (chip.getAttribute("aria-pressed") !== "true") chosen.push(chip.dataset.value);
    change({ [choice.dataset.choice]: chosen });
  }));
  boxes.forEach((box) => box.addEventListener("change", () =>
    change({ columns: boxes.filter((one) => one.checked).map((one) => one.value) })));
  axes.forEach((axis) => axis.addEventListener("change", () =>
    change({ axis: axis === axes[0] ? "" : axis.value })));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(textOf(button.dataset.copy), document.getElementById("copied-note"));
    const command = event.target.closest("[data-copy-command]");
    if (command) copy(command.parentNode.querySelector("code").textContent, command);
  });
  addEventListener("hashchange", () => { if (location.hash.includes("=")) { read(); show(); } });
  document.querySelector(".tools").hidden = false;
  read();
  show();
})();
