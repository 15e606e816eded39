// Starts the application. A file of its own, because the content security policy forbids scripts in
// the page; the page names the other files, whose names change with their content.
const href = (id) => document.getElementById(id).href;

try {
  const { default: start } = await import(href("app-js"));
  await start({ module_or_path: href("app-wasm") });
} catch (error) {
  document.body.textContent = `Spanloom could not start: ${error.message}. Reload the page, or use a newer browser.`;
  throw error;
}
