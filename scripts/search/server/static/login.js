/** The login page: sends the password, and goes to the search once it is right. */

import { byId } from "./dom.js";
import { languageButton, text } from "./texts.js";

languageButton(byId("language"));

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [form, refused] = [event.currentTarget, byId("refused")];
  const send = form.querySelector("button");
  send.disabled = true;
  refused.textContent = "";
  try {
    const answer = await fetch("/login", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.ok) return location.assign("/");
    const told = await answer.json().catch(() => ({}));
    refused.textContent = answer.status === 401 || answer.status === 403 ? text("login_refused") : (told.message ?? `HTTP ${answer.status}`);
  } catch {
    refused.textContent = text("unreachable");
  }
  send.disabled = false;
  byId("password").select();
});
