// A button on each block of commands that copies it.
for (const block of document.querySelectorAll('.runbook pre')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  const text = block.innerText;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  });
  block.append(button);
}
