// The bar that moves traffic. Filled in with the page of one function.
export function dress() {}
