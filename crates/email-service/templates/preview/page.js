// Loads the page again when the mails have changed, and keeps what was chosen.
const KEY = "choices";

for (const id of JSON.parse(sessionStorage.getItem(KEY) ?? "[]")) {
  const input = document.getElementById(id);
  if (input) input.checked = true;
}
document.addEventListener("change", () => {
  const chosen = [...document.querySelectorAll("input:checked")].map((input) => input.id);
  if (chosen.length > 0) sessionStorage.setItem(KEY, JSON.stringify(chosen));
});

const version = document.documentElement.dataset.version;

async function poll() {
  try {
    const response = await fetch("/version", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (response.ok && (await response.text()) !== version) return location.reload();
  } catch {
    // The server has ended; another one may be started.
  }
  setTimeout(poll, 500);
}
poll();
