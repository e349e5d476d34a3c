'use strict';
(() => {
  const packages = JSON.parse(document.getElementById('data').textContent);
  const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const KINDS = ['weights', 'tokenizer', 'configs', 'kernels', 'host', 'data', 'runtime', 'group'];
  const KIND_NAMES = {
    weights: 'weights', tokenizer: 'tokenizer', configs: 'other files', kernels: 'kernels',
    host: 'host code', data: 'data', runtime: 'runtime', group: 'model',
  };

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // The same as ByteSize in the program.
  const size = (bytes) => {
    if (bytes < 1024) return `${bytes} B`;
    let value = bytes / 1024;
    let unit = 0;
    while (value >= 1023.95 && unit + 1 < UNITS.length) {
      value /= 1024;
      unit += 1;
    }
    return `${value.toFixed(1)} ${UNITS[unit]}`;
  };

  // A node is [name, kind, bytes, children].
  const name = (node) => node[0];
  const kind = (node) => KINDS[node[1]];
  const bytes = (node) => node[2];
  const children = (node) => node[3] || [];

  // Squarified treemap (Bruls, Huizing, van Wijk): rows along the shorter side, each as long as
  // its worst aspect ratio gets better.
  const squarify = (nodes, x, y, width, height) => {
    const total = nodes.reduce((sum, node) => sum + bytes(node), 0);
    const placed = [];
    if (total <= 0 || width <= 0 || height <= 0) return placed;
    const scale = (width * height) / total;
    const left = nodes.filter((node) => bytes(node) > 0).sort((a, b) => bytes(b) - bytes(a));
    const worst = (areas, sum, side) => {
      const thickness = sum / side;
      return Math.max(...[areas[0], areas[areas.length - 1]].map((area) => {
        const length = area / thickness;
        return Math.max(length / thickness, thickness / length);
      }));
    };
    while (left.length > 0) {
      const side = Math.min(width, height);
      const row = [];
      let sum = 0;
      while (left.length > row.length) {
        const area = bytes(left[row.length]) * scale;
        const better = row.length === 0
          || worst([...row, area], sum + area, side) <= worst(row, sum, side);
        if (!better) break;
        row.push(area);
        sum += area;
      }
      const thickness = sum / side;
      let offset = 0;
      for (const area of row) {
        const length = area / thickness;
        placed.push(width <= height
          ? [left.shift(), x + offset, y, length, thickness]
          : [left.shift(), x, y + offset, thickness, length]);
        offset += length;
      }
      if (width <= height) {
        y += thickness;
        height -= thickness;
      } else {
        x += thickness;
        width -= thickness;
      }
    }
    return placed;
  };

  class Treemap {
    constructor(host, views) {
      this.views = views.filter((view) => bytes(view) > 0);
      this.path = [this.views[0]];
      const buttons = this.views.map((view, index) => {
        const button = element('button', { type: 'button' }, `${name(view)} ${size(bytes(view))}`);
        button.addEventListener('click', () => this.show([this.views[index]]));
        return button;
      });
      this.buttons = buttons;
      this.crumbs = element('div', { class: 'path' });
      this.map = element('div', { class: 'map' });
      this.status = element('p', { class: 'status', 'aria-live': 'polite' });
      this.legend = element('ul', { class: 'legend', 'aria-label': 'Colours' });
      host.append(element('div', { class: 'views' }, ...buttons), this.crumbs, this.map,
        this.legend, this.status);
      this.map.addEventListener('keydown', (event) => this.key(event));
      new ResizeObserver(() => this.draw()).observe(this.map);
    }

    get node() {
      return this.path[this.path.length - 1];
    }

    show(path, focus) {
      this.path = path;
      this.draw();
      const cells = this.cells();
      if (focus && cells[0]) cells[0].focus();
    }

    cells() {
      return [...this.map.querySelectorAll('button')];
    }

    key(event) {
      const cells = this.cells();
      const at = cells.indexOf(document.activeElement);
      const to = {
        ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0,
        End: cells.length - 1,
      }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        const target = cells[Math.max(0, Math.min(to, cells.length - 1))];
        if (target) target.focus();
      } else if (event.key === 'Escape' && this.path.length > 1) {
        event.preventDefault();
        this.show(this.path.slice(0, -1), true);
      }
    }

    draw() {
      const { width, height } = this.map.getBoundingClientRect();
      const hadFocus = this.map.contains(document.activeElement);
      this.map.replaceChildren();
      const used = new Set();
      const HEAD = 20;
      for (const [node, x, y, w, h] of squarify(children(this.node), 0, 0, width, height)) {
        const isGroup = kind(node) === 'group' && w > 60 && h > 50;
        this.cell(node, [node], x, y, w, h, isGroup);
        used.add(kind(node));
        if (isGroup) {
          const inside = squarify(children(node), x + 3, y + HEAD + 2, w - 6, h - HEAD - 5);
          for (const [child, cx, cy, cw, ch] of inside) {
            this.cell(child, [node, child], cx, cy, cw, ch, false);
            used.add(kind(child));
          }
        }
      }
      const cells = this.cells();
      cells.forEach((cell, index) => { cell.tabIndex = index === 0 ? 0 : -1; });
      if (hadFocus && cells[0]) cells[0].focus();
      this.describe(used);
    }

    describe(used) {
      this.buttons.forEach((button, index) => {
        button.setAttribute('aria-pressed', String(this.path[0] === this.views[index]));
      });
      this.crumbs.replaceChildren();
      this.crumbs.hidden = this.path.length === 1;
      this.path.forEach((node, index) => {
        if (index > 0) this.crumbs.append('›');
        if (index === this.path.length - 1) {
          this.crumbs.append(element('span', {}, `${name(node)} ${size(bytes(node))}`));
        } else {
          const button = element('button', { type: 'button' }, name(node));
          button.addEventListener('click', () => this.show(this.path.slice(0, index + 1), true));
          this.crumbs.append(button);
        }
      });
      const shown = KINDS.filter((one) => used.has(one) && one !== 'group');
      this.legend.replaceChildren(...shown.map((one) =>
        element('li', {}, element('i', { class: `k-${one}` }), KIND_NAMES[one])));
      this.status.textContent = '';
    }

    cell(node, below, x, y, w, h, isGroup) {
      // What nobody could see or hit is in the table.
      if (w < 3 || h < 3) return;
      const share = ((100 * bytes(node)) / Math.max(1, bytes(this.node))).toFixed(1);
      const whole = [...this.path.slice(1), ...below].map(name).join(' › ');
      const all = this.path.length > 1 ? name(this.node) : 'all';
      const text = `${whole}: ${size(bytes(node))}, ${share} % of ${all}`;
      const more = children(node).length > 0;
      const button = element('button', {
        type: 'button',
        class: `k-${kind(node)}${isGroup ? ' group' : ''}${more ? ' more' : ''}`,
        'aria-label': more ? `${text}; press Enter to look inside` : text,
      });
      Object.assign(button.style, {
        left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px`,
      });
      if (w > 34 && h > 18) button.append(element('span', {}, name(node)));
      if ((isGroup && w > 120) || (w > 50 && h > 36)) {
        button.append(element('span', { class: 'bytes' }, size(bytes(node))));
      }
      const tell = () => { this.status.textContent = text; };
      button.addEventListener('pointerenter', tell);
      button.addEventListener('focus', () => {
        this.cells().forEach((cell) => { cell.tabIndex = cell === button ? 0 : -1; });
        tell();
      });
      if (more) button.addEventListener('click', () => this.show([...this.path, ...below], true));
      this.map.append(button);
    }
  }

  for (const host of document.querySelectorAll('.treemap')) {
    const views = packages[Number(host.dataset.package)].views;
    if (views.some((view) => bytes(view) > 0)) new Treemap(host, views);
    else host.append(element('p', { class: 'remark' }, 'There are no bytes to show.'));
  }

  const rows = [];
  const leaves = (node, model, several) => {
    for (const child of children(node)) {
      if (kind(child) === 'group') leaves(child, name(child), several);
      else if (children(child).length > 0) leaves(child, model, several);
      else rows.push([name(child), several, model, KIND_NAMES[kind(child)], bytes(child)]);
    }
  };
  for (const one of packages) for (const view of one.views) leaves(view, '', one.name);
  rows.sort((a, b) => b[4] - a[4]);
  const parts = document.querySelector('#table-parts tbody');
  parts.append(...rows.map(([part, where, model, what, count]) => {
    const row = element('tr', {}, element('th', { scope: 'row' }, part));
    if (packages.length > 1) row.append(element('td', { 'data-label': 'Package' }, where));
    row.append(element('td', { 'data-label': 'Model' }, model));
    row.append(element('td', { 'data-label': 'Kind' }, what));
    row.append(element('td', { class: 'number', 'data-value': count, 'data-label': 'Size' }, size(count)));
    return row;
  }));

  const value = (cell) => {
    const number = cell.dataset.value;
    return number === undefined ? cell.textContent : Number(number);
  };
  const compare = (a, b) => (typeof a === 'number' && typeof b === 'number'
    ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true }));

  for (const table of document.querySelectorAll('.sortable')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
      const isNumber = head.classList.contains('number');
      const before = head.getAttribute('aria-sort');
      // Of numbers, the large ones first.
      const first = isNumber ? 'descending' : 'ascending';
      const second = isNumber ? 'ascending' : 'descending';
      const order = before === first ? second : first;
      heads.forEach((other) => other.setAttribute('aria-sort', other === head ? order : 'none'));
      const sign = order === 'ascending' ? 1 : -1;
      const sorted = [...table.tBodies[0].rows]
        .sort((a, b) => sign * compare(value(a.cells[column]), value(b.cells[column])));
      table.tBodies[0].append(...sorted);
    }));
  }

  for (const input of document.querySelectorAll('input[type=search]')) {
    const table = document.getElementById(input.dataset.for);
    const found = document.querySelector(`[data-of=${input.dataset.for}]`);
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const all = [...table.tBodies[0].rows];
      let count = 0;
      for (const row of all) {
        const text = [...row.cells].map((cell) => cell.textContent).join('\n').toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) count += 1;
      }
      const noun = found.dataset.noun;
      found.textContent = words.length > 0 ? `${count} of ${all.length} ${noun}` : `${count} ${noun}`;
    };
    input.addEventListener('input', filter);
    filter();
  }
})();
