// Draws each chart from the JSON beside it. The words and figures come ready from the server; only the axis is rounded here.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const short = (value, chart) => {
    const units = chart.language === "zh-CN" ? [[1e8, "亿"], [1e4, "万"]] : [[1e9, "B"], [1e6, "M"], [1e3, "K"]];
    const [unit, name] = units.find(([least]) => Math.abs(value) >= least) || [1, ""];
    return chart.prefix + Number((value / unit).toPrecision(3)) + name;
  };

  const looks = {
    main: () => ({ color: css("--accent"), type: "solid", width: 2.5 }),
    past: () => ({ color: css("--past"), type: "dashed", width: 1.5 }),
    second: () => ({ color: css("--second"), type: "solid", width: 2 }),
    spend: () => ({ color: css("--past"), type: "solid", width: 1 }),
    target: () => ({ color: css("--target"), type: "dotted", width: 2 }),
  };

  // Bars have the axis on the right; a day that may still change is an outline.
  const bars = (chart, series) => {
    const from = chart.provisional_from;
    const color = looks.spend().color;
    return {
      name: series.name,
      type: "bar",
      yAxisIndex: 1,
      barMaxWidth: 18,
      z: 1,
      itemStyle: { color, opacity: 0.45 },
      data: series.values.map((value, at) =>
        from !== null && at >= from
          ? { value, itemStyle: { color: "transparent", borderColor: color, borderType: "dashed", borderWidth: 1.5, opacity: 1 } }
          : value,
      ),
      animation: false,
      emphasis: { disabled: true },
    };
  };

  const line = (chart, series) => {
    const look = looks[series.role]();
    const from = series.role === "past" || series.role === "target" ? null : chart.provisional_from;
    return {
      name: series.name,
      type: "line",
      data: series.values.map((value, at) => ({
        value,
        // What may still change has a hollow mark, so that it does not look settled.
        symbol: from !== null && at >= from ? "emptyCircle" : "circle",
        symbolSize: chart.labels.length > 60 ? (from !== null && at >= from ? 4 : 0) : from !== null && at >= from ? 7 : 4,
      })),
      lineStyle: look,
      itemStyle: { color: look.color },
      showAllSymbol: true,
      animation: false,
      emphasis: { disabled: true },
    };
  };

  const axes = (chart) => {
    const axis = (prefix, isRight) => ({
      type: "value",
      axisLabel: { color: css("--soft"), formatter: (value) => short(value, { ...chart, prefix }) },
      splitLine: { show: !isRight, lineStyle: { color: css("--line") } },
    });
    const left = axis(chart.prefix, false);
    return chart.series.some((series) => series.role === "spend") ? [left, axis("¥", true)] : left;
  };

  const options = (chart) => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: css("--soft") },
    grid: { left: 8, right: 14, top: 36, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, itemWidth: 22, itemHeight: 8, textStyle: { color: css("--soft") }, icon: "inherit" },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      backgroundColor: css("--panel"),
      borderColor: css("--line"),
      textStyle: { color: css("--ink"), fontSize: 13 },
      formatter: (points) =>
        [points[0].axisValue, ...points.map((p) => `${p.seriesName}  ${chart.series[p.seriesIndex].texts[p.dataIndex]}`)].join("\n"),
    },
    xAxis: {
      type: "category",
      data: chart.labels,
      boundaryGap: chart.labels.length < 3,
      axisLine: { lineStyle: { color: css("--line") } },
      axisTick: { show: false },
      axisLabel: { color: css("--soft"), hideOverlap: true },
    },
    yAxis: axes(chart),
    series: chart.series.map((series) => (series.role === "spend" ? bars : line)(chart, series)),
  });

  const draw = () => {
    for (const data of document.querySelectorAll("script[data-chart]")) {
      const place = document.getElementById(data.dataset.chart);
      if (!place) continue;
      const chart = JSON.parse(data.textContent);
      const drawn = echarts.getInstanceByDom(place) || echarts.init(place, null, { renderer: "canvas" });
      place.setAttribute("aria-label", chart.title);
      drawn.setOption(options(chart), { notMerge: true });
    }
  };

  const resize = () => {
    for (const place of document.querySelectorAll(".plot")) {
      const drawn = echarts.getInstanceByDom(place);
      if (drawn) drawn.resize();
    }
  };

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", draw);
  window.addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
