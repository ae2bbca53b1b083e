"use strict";
// A click on a head sorts by it, best first; another click turns that round. What is not measured stays last.
const board = document.querySelector("#board"), body = board.tBodies[0];
const valueOf = (row, column) => Number(row.cells[column].dataset.value ?? NaN);
for (const button of board.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), less = "less" in head.dataset;
    const first = less ? "ascending" : "descending", other = less ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const one of board.querySelectorAll("thead th")) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1, column = head.cellIndex;
    const rows = [...body.rows].sort((a, b) => {
      const x = valueOf(a, column), y = valueOf(b, column);
      return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y) || 0;
    });
    body.append(...rows);
  });
}
