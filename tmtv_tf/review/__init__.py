"""`tmtv review`: look at results in the browser, correct them, sign them. All state is on the server."""
