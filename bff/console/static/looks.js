// Light and dark: the system's choice until somebody makes one. And what a click on the page's own furniture does.
export const isDark = () =>
  (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

export function turn() {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("bff.theme", next);
  document.dispatchEvent(new Event("bff:looks"));
}

export function listen() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-turn]")) turn();
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new Event("bff:looks")),
  );
}
