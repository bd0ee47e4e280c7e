"use strict";

// The table of cases. Whatever else shows cases follows its filter by the event "cases-hidden" (page.js).
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
    const hidden = rows.filter((row) => row.hidden).map((row) => row.dataset.case);
    document.dispatchEvent(new CustomEvent("cases-hidden", { detail: new Set(hidden) }));
    document.getElementById("shown").textContent = `${shown} of ${rows.length} cases`;
  }

  if (table) {
    table.tHead.addEventListener("click", (event) => {
      const header = event.target.closest("th");
      if (header) sortBy(header);
    });
    document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  }
})();
