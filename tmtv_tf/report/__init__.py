"""One study on one page: pictures, TMTV by method, lesions, and where the numbers come from. HTML and PDF."""
