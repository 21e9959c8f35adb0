"use strict";
// Draws every figure[data-chart] from the JSON beside it; its table in <details> says the same.
(() => {
  const NANO = 1e9;
  const DAY = 86400;

  const ticks = (_, all, __, ___, step) => {
    const digits = step >= 1 ? 0 : Math.max(2, -Math.floor(Math.log10(step)));
    return all.map((value) => `${value < 0 ? "-" : ""}$${Math.abs(value).toFixed(digits)}`);
  };
  const pad = (number) => String(number).padStart(2, "0");
  const clock = (seconds) => {
    const at = new Date(seconds * 1000);
    return `${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
  };
  const day = (seconds) => clock(seconds).slice(0, 5);

  // Colours are the style sheet's, which a canvas cannot read by itself.
  const painter = (host) => (name) => {
    const probe = document.createElement("span");
    probe.className = `c-${name}`;
    host.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
  };

  const tip = (said) => {
    let box;
    return {
      hooks: {
        init: (u) => {
          box = document.createElement("div");
          box.className = "tip";
          box.hidden = true;
          u.over.append(box);
        },
        setCursor: (u) => {
          const text = u.cursor.left >= 0 ? said(u) : "";
          box.hidden = !text;
          if (!text) return;
          box.textContent = text;
          const space = u.over.clientWidth - box.offsetWidth;
          box.style.left = `${Math.max(0, Math.min(u.cursor.left + 14, space))}px`;
          box.style.top = `${Math.max(0, u.cursor.top - box.offsetHeight - 8)}px`;
        },
      },
    };
  };

  const axis = (paint, font, more) => ({
    stroke: paint("faint"), font, grid: { stroke: paint("line"), width: 1 },
    ticks: { stroke: paint("line"), width: 1, size: 4 }, ...more,
  });
  const days = (paint, font) => axis(paint, font, {
    grid: { show: false }, size: 34, space: 46, incrs: [1, 2, 3, 5, 7, 10].map((n) => n * DAY),
    values: (_, at) => at.map(day),
  });
  const money = (paint, font) => axis(paint, font, { size: 58, values: ticks });
  const common = {
    legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
  };

  const spend = (found, paint, font) => {
    const { days: all, cap } = found;
    const column = (name) => all.map((one) => (one[name] == null ? null : one[name] / NANO));
    const limit = cap == null ? [] : [all.map(() => cap / NANO)];
    const data = [all.map((one) => one.at), column("sum_nano_usd"), column("middle_nano_usd"),
      column("low_nano_usd"), column("high_nano_usd"), ...limit];
    const line = (stroke, more) => ({ stroke, width: 2, points: { show: false }, ...more });
    const accent = paint("accent");
    return {
      data, height: 250,
      options: {
        series: [{}, line(accent, { width: 2.5 }), line(accent, { dash: [5, 5], width: 1.5 }),
          line("transparent"), line("transparent"),
          ...limit.map(() => line(paint("bad"), { dash: [8, 4] }))],
        bands: [{ series: [4, 3], fill: paint("ahead") }],
        axes: [days(paint, font), money(paint, font)],
        scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.06, 0.01)] } },
        plugins: [tip((u) => {
          const one = all[u.cursor.idx];
          if (!one) return "";
          const band = one.middle_nano_usd == null || one.sum_nano_usd != null ? ""
            : `\nforecast ${usd(one.middle_nano_usd / NANO)} [${usd(one.low_nano_usd / NANO)}, ${usd(one.high_nano_usd / NANO)}]`;
          const sum = one.sum_nano_usd == null ? "" : `\nso far ${usd(one.sum_nano_usd / NANO)}`;
          return `${one.day}\nthat day ${usd(one.nano_usd / NANO)}${sum}${band}`;
        })],
      },
    };
  };

  const tiers = (found, paint, font) => {
    const past = found.days.filter((one) => one.sum_nano_usd != null);
    const value = (one, tier) => (one.by_tier_nano_usd[tier] ?? 0) / NANO;
    // The highest stack first: each later one is painted over it.
    const stacks = found.tiers.map((_, at) => found.tiers.slice(0, at + 1)).reverse();
    const sums = stacks.map((names) => found.days.map((one) => (
      one.sum_nano_usd == null ? null : names.reduce((sum, name) => sum + value(one, name), 0))));
    const color = (tier) => paint(["tier1", "tier2", "tier3", "local"].includes(tier) ? tier : "other");
    const bars = uPlot.paths.bars({ size: [0.72, 36] });
    return {
      data: [found.days.map((one) => one.at), ...sums], height: 220,
      options: {
        series: [{}, ...stacks.map((names) => ({
          fill: color(names.at(-1)), width: 0, paths: bars, points: { show: false },
        }))],
        axes: [days(paint, font), money(paint, font)],
        scales: {
          x: { range: (_, low, high) => [low - DAY / 2, high + DAY / 2] },
          y: { range: (_, __, most) => [0, Math.max((most ?? 0) * 1.06, 0.001)] },
        },
        cursor: { ...common.cursor, points: { show: false } },
        plugins: [tip((u) => {
          const one = past[u.cursor.idx];
          if (!one) return "";
          const lines = found.tiers.filter((tier) => value(one, tier) > 0)
            .map((tier) => `${tier} ${usd(value(one, tier))}`);
          return [one.day, ...lines, `together ${usd(one.nano_usd / NANO)}`].join("\n");
        })],
      },
    };
  };

  // A row a day, as wide as the day is long.
  const gpu = (found, paint, font) => {
    const first = Math.floor(found.since / DAY);
    const rows = Math.floor((found.until - 1) / DAY) - first + 1;
    const pieces = found.stretches.flatMap((one) => {
      const from = Math.floor(one.since / DAY);
      const to = Math.floor((one.until - 1e-3) / DAY);
      return Array.from({ length: Math.max(to - from + 1, 0) }, (_, at) => ({
        one, row: from + at - first,
        start: Math.max(one.since - (from + at) * DAY, 0) / 3600,
        end: Math.min(one.until - (from + at) * DAY, DAY) / 3600,
      }));
    });
    // The short ones last, or what follows them hides them.
    pieces.sort((a, b) => (b.end - b.start) - (a.end - a.start));
    const draw = (u) => {
      const { ctx } = u;
      ctx.save();
      for (const { one, row, start, end } of pieces) {
        const left = u.valToPos(start, "x", true);
        const top = u.valToPos(row + 0.14, "y", true);
        ctx.fillStyle = paint(one.state === "failed" ? "bad" : one.state === "off" ? "asleep" : one.state);
        ctx.fillRect(left, top, Math.max(u.valToPos(end, "x", true) - left, 1),
          u.valToPos(row + 0.86, "y", true) - top);
      }
      ctx.restore();
    };
    const middles = Array.from({ length: rows }, (_, at) => at + 0.5);
    const label = (at) => day((first + Math.floor(at)) * DAY);
    return {
      data: [[0, 24], [0, rows]], height: Math.max(rows * 19, 60) + 40,
      options: {
        series: [{}, { stroke: "transparent", points: { show: false } }],
        axes: [
          axis(paint, font, { size: 34, splits: () => [0, 4, 8, 12, 16, 20, 24], values: (_, all) => all.map((h) => `${pad(h)}:00`) }),
          axis(paint, font, { size: 56, grid: { show: false }, ticks: { show: false },
            splits: () => middles.filter((_, at) => rows < 16 || at % 2 === 0), values: (_, all) => all.map(label) }),
        ],
        scales: { x: { time: false, range: [0, 24] }, y: { dir: -1, range: [0, rows] } },
        cursor: { ...common.cursor, points: { show: false } },
        hooks: { draw: [draw] },
        plugins: [tip((u) => {
          const hour = u.posToVal(u.cursor.left, "x");
          const row = Math.floor(u.posToVal(u.cursor.top, "y"));
          const hit = pieces.find((p) => p.row === row && p.start <= hour && hour < p.end);
          return hit ? `${hit.one.state}, ${usd(hit.one.nano_usd / NANO)}\n${clock(hit.one.since)} to ${clock(hit.one.until)} UTC` : "";
        })],
      },
    };
  };

  // Intervals below each other: dot, whiskers, and the line that must not be crossed.
  const forest = (found, paint, font) => {
    const { rows, unit } = found;
    const show = (value) => (unit === "usd" ? usd(value) : `${value > 0 ? "+" : ""}${value.toFixed(3)}`);
    const ends = rows.flatMap((one) => [one.value, one.low, one.high, one.line, 0]).filter((end) => end != null);
    const wide = Math.max(...ends) - Math.min(...ends) || 1;
    const range = [Math.min(...ends) - wide * 0.08, Math.max(...ends) + wide * 0.08];
    const draw = (u) => {
      const { ctx } = u;
      const x = (value) => u.valToPos(value, "x", true);
      const y = (row) => u.valToPos(row, "y", true);
      const dot = 4 * devicePixelRatio;
      const stroke = (color, width, dash, ...points) => {
        ctx.strokeStyle = color;
        ctx.lineWidth = width * devicePixelRatio;
        ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
        ctx.beginPath();
        ctx.moveTo(points[0], points[1]);
        ctx.lineTo(points[2], points[3]);
        ctx.stroke();
      };
      ctx.save();
      stroke(paint("faint"), 1, [], x(0), y(0), x(0), y(rows.length));
      rows.forEach((one, at) => {
        const middle = y(at + 0.5);
        if (one.line) stroke(paint("bad"), 2, [5, 4], x(one.line), y(at), x(one.line), y(at + 1));
        const [low, high] = [x(one.low ?? range[0]), x(one.high ?? range[1])];
        stroke(paint("accent"), 2, one.low == null || one.high == null ? [2, 3] : [], low, middle, high, middle);
        for (const [end, there] of [[one.low, low], [one.high, high]]) {
          if (end != null) stroke(paint("accent"), 2, [], there, middle - dot, there, middle + dot);
        }
        ctx.fillStyle = paint("accent");
        ctx.beginPath();
        ctx.arc(x(one.value), middle, dot, 0, 2 * Math.PI);
        ctx.fill();
      });
      ctx.restore();
    };
    return {
      data: [range, [0, rows.length]], height: rows.length * 34 + 50,
      options: {
        series: [{}, { stroke: "transparent", points: { show: false } }],
        axes: [
          axis(paint, font, { size: 34, space: 64,
            values: unit === "usd" ? ticks : (_, all) => all.map((v) => String(Number(v.toFixed(3)))) }),
          axis(paint, font, { size: 118, grid: { show: false }, ticks: { show: false },
            splits: () => rows.map((_, at) => at + 0.5), values: () => rows.map((one) => one.name) }),
        ],
        scales: { x: { time: false, range }, y: { dir: -1, range: [0, rows.length] } },
        cursor: { ...common.cursor, points: { show: false } },
        hooks: { draw: [draw] },
        plugins: [tip((u) => {
          const one = rows[Math.floor(u.posToVal(u.cursor.top, "y"))];
          const end = (value) => (value == null ? "not bounded" : show(value));
          return one ? `${one.name}\n${show(one.value)} [${end(one.low)}, ${end(one.high)}]` : "";
        })],
      },
    };
  };

  const KINDS = { spend, tiers, gpu, forest };
  const drawn = new Map();

  const render = (figure) => {
    drawn.get(figure)?.destroy();
    const host = figure.querySelector(".plot");
    const found = JSON.parse(figure.querySelector("script").textContent);
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const { data, height, options } = KINDS[figure.dataset.chart](found, painter(figure), font);
    const chart = new uPlot({ ...common, width: host.clientWidth, height, ...options }, data, host);
    drawn.set(figure, chart);
    figure.dataset.drawn = "true";
  };
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const widths = new Map();
  const seen = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      if (widths.get(target) === contentRect.width) continue;
      widths.set(target, contentRect.width);
      render(target.closest("figure"));
    }
  });
  for (const figure of figures) seen.observe(figure.querySelector(".plot"));
  document.addEventListener("tercet:theme", () => figures.forEach(render));
})();
