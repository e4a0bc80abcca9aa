// New mails turn up by themselves.
setTimeout(() => location.reload(), 2000);
