// Sending a file from a form: how much of it has left, a file dropped anywhere on the form, and
// whatever the server says shown in its place. Without this script the form is sent as any other.
(() => {
  const formOf = (event) => event.target.closest?.("form[data-sends]");
  const say = (form, name) => {
    const busy = form.querySelector(".busy");
    busy.querySelector("p").textContent = busy.dataset[name];
  };

  document.addEventListener("htmx:beforeSend", (event) => {
    const form = formOf(event);
    if (form) form.dataset.sends = "sending";
  });
  document.addEventListener("htmx:xhr:progress", (event) => {
    const form = formOf(event);
    // the answer's own progress comes by the same name
    if (!form || form.dataset.sends === "sent" || !event.detail.lengthComputable) return;
    const { loaded, total } = event.detail;
    const bar = form.querySelector("progress");
    bar.max = total;
    bar.value = loaded;
    if (loaded < total) return;
    form.dataset.sends = "sent";
    bar.removeAttribute("value");
    say(form, "sent");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (formOf(event) || event.detail.requestConfig?.elt.matches("form[data-sends]")) {
      event.detail.shouldSwap = true;
    }
  });
  document.addEventListener("htmx:sendError", (event) => {
    const form = formOf(event);
    if (!form) return;
    form.classList.add("failed");
    say(form, "failed");
  });

  document.addEventListener("dragover", (event) => {
    const form = formOf(event);
    if (!form) return;
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => formOf(event)?.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    const form = formOf(event);
    if (!form || !event.dataTransfer.files.length) return;
    event.preventDefault();
    form.classList.remove("over");
    form.querySelector("input[type=file]").files = event.dataTransfer.files;
  });
})();
