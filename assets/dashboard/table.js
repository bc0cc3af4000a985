// A table whose rows stay the same elements while their values change, so that a button does not move under the pointer.

/** bot-2 before bot-10. */
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export class Table {
  /**
   * `columns`: { name, label, of(row) -> [text, class?] | Node, by(row) to sort by, text, wide }; `key` names a row.
   */
  constructor(table, { columns, key, sort, empty }) {
    Object.assign(this, { columns, key, empty });
    this.sort = sort;
    this.rows = new Map();
    const head = table.createTHead().insertRow();
    this.heads = columns.map((column) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = classes(column);
      if (column.about) cell.title = column.about;
      if (column.by) {
        const button = document.createElement("button");
        button.textContent = column.label;
        button.addEventListener("click", () => this.turn(column));
        cell.append(button);
      } else cell.textContent = column.label;
      head.append(cell);
      return cell;
    });
    this.body = table.createTBody();
  }

  turn(column) {
    const isSame = this.sort.name === column.name;
    this.sort = { name: column.name, up: isSame ? !this.sort.up : column.text === true };
    this.show(this.last ?? []);
  }

  show(rows) {
    this.last = rows;
    const column = this.columns.find((one) => one.name === this.sort.name);
    const sign = this.sort.up ? 1 : -1;
    const order = (a, b) => (typeof a === "string" ? names.compare(a, b) : a - b);
    const sorted = [...rows].sort((a, b) => sign * order(column.by(a), column.by(b)) || order(this.key(a), this.key(b)));
    this.heads.forEach((cell, i) => {
      const isSorted = this.columns[i] === column;
      if (isSorted) cell.setAttribute("aria-sort", this.sort.up ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    const seen = new Set();
    const elements = sorted.map((row) => {
      const key = this.key(row);
      seen.add(key);
      const kept = this.rows.get(key) ?? this.add(key);
      kept.row = row;
      this.fill(kept);
      return kept.element;
    });
    for (const key of this.rows.keys()) if (!seen.has(key)) this.rows.delete(key);
    if (elements.length === 0) elements.push(this.nothing());
    const isSame = elements.length === this.body.rows.length && elements.every((element, i) => element === this.body.rows[i]);
    if (!isSame) this.body.replaceChildren(...elements);
  }

  add(key) {
    const element = document.createElement("tr");
    const kept = { element, row: null, cells: [] };
    for (const column of this.columns) {
      const cell = element.insertCell();
      cell.className = classes(column);
      kept.cells.push(cell);
      // A cell of elements is made once, and asks for its row when it is used.
      if (column.make) cell.append(column.make(() => kept.row));
    }
    this.rows.set(key, kept);
    return kept;
  }

  fill({ element, row, cells }) {
    this.columns.forEach((column, i) => {
      if (column.update) column.update(cells[i], row);
      if (!column.of) return;
      const [text, state] = column.of(row);
      if (cells[i].textContent !== text) cells[i].textContent = text;
      cells[i].className = classes(column, state);
    });
    this.each?.(element, row);
  }

  nothing() {
    const element = document.createElement("tr");
    const cell = element.insertCell();
    cell.colSpan = this.columns.length;
    cell.className = "empty";
    cell.textContent = this.empty;
    return element;
  }
}

function classes(column, state = "") {
  return [column.text ? "text" : "", column.wide ? "wide" : "", state].filter((name) => name !== "").join(" ");
}
