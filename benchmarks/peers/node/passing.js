'use strict'
// A reverse proxy as a Node team would write it: Fastify with its own plugin for the purpose.
const fastify = require('fastify')

const app = fastify({ bodyLimit: 2 ** 31 })
app.register(require('@fastify/reply-from'), { base: process.env.UPSTREAM, undici: { connections: 256 } })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (request, payload, done) => done(null, payload)) // streamed, not parsed
app.all('/catalog/*', (request, reply) => { reply.from(request.raw.url.slice('/catalog'.length)) })
app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
