// What pages need of the browser itself.

/** Take what a view shows into the address, so that a copied link restores it; null takes a name out. */
window.tramontaneLink = (names) => {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(names))
    if (value === null || value === "") address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  history.replaceState(history.state, "", address);
};

/** Ask for a file and save it, or give what is wrong; the file must be of the model that answered what is shown. */
window.tramontaneDownload = async (url, body, name, model, replaced) => {
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" },
                                    body: JSON.stringify(body) });
  if (!answer.ok) return (await answer.json()).detail;
  if (answer.headers.get("Tramontane-Model") !== model) return replaced;
  const link = Object.assign(document.createElement("a"),
                             { href: URL.createObjectURL(await answer.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return "";
};

/** A file that is dropped beside what takes files does not replace the page. */
for (const kind of ["dragover", "drop"])
  window.addEventListener(kind, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());

/** Copy the address; false where the browser does not allow it. */
window.tramontaneCopy = () => navigator.clipboard?.writeText(location.href).then(() => true, () => false) ?? false;

/** Keep a choice of this reader for a year. */
window.tramontaneKeep = (name, value) => {
  document.cookie = `tramontane_${name}=${value}; path=/; max-age=31536000; samesite=strict`;
};

/** A number that the browser wrote, with the decimal mark of the page's language. */
window.tramontaneNumber = (plain) =>
  plain.replace(".", document.querySelector("meta[name=tramontane-decimal]")?.content ?? ".");
