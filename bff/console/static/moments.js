// Moments as people say them: "3 s ago", "in 5 min", with the whole moment, in this browser's time zone, on hover.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

const since = (seconds) => {
  const apart = Math.abs(seconds);
  if (apart < 1) return "now";
  const [size, unit] = UNITS.find(([size]) => apart >= size);
  const words = `${Math.floor(apart / size)} ${unit}`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
};

export function dress(root) {
  for (const moment of root.querySelectorAll("time[datetime]")) {
    const at = new Date(moment.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const words = since((Date.now() - at.getTime()) / 1000);
    if (moment.textContent !== words) moment.textContent = words;
    moment.title = at.toLocaleString();
  }
}

setInterval(() => document.hidden || dress(document), 1000);
