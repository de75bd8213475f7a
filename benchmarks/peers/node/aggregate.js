'use strict'
// The aggregate in Fastify over an undici pool: what a Node team would put here.
const fastify = require('fastify')
const { Pool } = require('undici')
const { merge, paths } = require('./merging')

const pool = new Pool(process.env.UPSTREAM, { connections: 256 }) // 32 callers ask for 96 at a time

const fetched = async (path) => {
  const { statusCode, body } = await pool.request({ path, method: 'GET' })
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
  return body.json()
}

const app = fastify()
app.get('/overview', async () => merge(...(await Promise.all(paths.map(fetched)))))
app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
