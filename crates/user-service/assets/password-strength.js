// Says whether a new password can be used, while it is typed. The server decides, by the rules that it also applies to the
// form. Watches the fields with the attribute `data-strength`; without this script, the form works as well.
"use strict";
(() => {
  const PAUSE_MS = 400;
  // The other fields whose words a password must not consist of.
  const CONTEXT = ["username", "chosenUsername", "email", "displayName"];

  const watch = (field) => {
    const result = document.createElement("div");
    result.setAttribute("role", "status");
    field.after(result);
    let timer;
    let request;

    const show = (texts) => {
      result.replaceChildren(...texts.flatMap((text, index) => (index ? [document.createElement("br"), text] : [text])));
    };

    const check = async () => {
      request = new AbortController();
      const { signal } = request;
      const context = CONTEXT.map((name) => field.form?.elements.namedItem(name)?.value ?? "").join("\n");
      const body = new URLSearchParams({ newPassword: field.value, context });
      try {
        const options = { method: "POST", body, signal, credentials: "omit", cache: "no-store" };
        const response = await fetch("/pages/password-strength", options);
        show(response.ok ? (await response.json()).texts : []);
      } catch {
        // A later text has replaced this one, or there is no answer: the form says it.
        if (!signal.aborted) show([]);
      }
    };

    field.addEventListener("input", () => {
      clearTimeout(timer);
      request?.abort();
      if (field.value === "") show([]);
      else timer = setTimeout(check, PAUSE_MS);
    });
  };

  for (const field of document.querySelectorAll("input[data-strength]")) watch(field);
})();
