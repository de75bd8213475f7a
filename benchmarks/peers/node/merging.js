'use strict'
// The work of the aggregate, as merging.py does it.
exports.paths = ['/users/42', '/orders', '/recommendations']

exports.merge = (user, { orders }, { items }) => {
  const { id, name, email, plan, address, preferences, tags } = user
  const total = orders.reduce((sum, { qty, price }) => sum + qty * price, 0)
  return {
    user: { id, name, email, plan, address, preferences, tags },
    orders: orders.map(({ id, sku, qty, price, status }) => ({ id, sku, qty, price, status })),
    order_count: orders.length,
    order_total: Math.round(total * 100) / 100,
    recommendations: items
      .filter((item) => item.in_stock)
      .map(({ sku, title, score, price }) => ({ sku, title, score, price }))
      .slice(0, 5)
  }
}
