// The URL of a coordinator's socket as browsers take it, for the page and for the doctor. A WebSocket takes no fragment (WHATWG
// WebSockets, 3.1).
export const socketForm = /^(http|ws)s?:[^#]*$/;
