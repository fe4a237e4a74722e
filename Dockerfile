# One image for every room; the command names the room.
FROM node:22.23.2-bookworm-slim AS build
WORKDIR /lanes
COPY package.json package-lock.json ./
RUN npm ci --include=dev --no-audit --no-fund
# .dockerignore lets the sources in and nothing else.
COPY . .
RUN npx tsc -p . --incremental false --noCheck && npm prune --omit=dev --no-audit --no-fund

FROM node:22.23.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /lanes
COPY --from=build /lanes/package.json ./
COPY --from=build /lanes/node_modules ./node_modules
COPY --from=build /lanes/dist ./dist
COPY --from=build /lanes/schema ./schema
USER node
ENTRYPOINT ["node", "dist/services/cli/main.js"]
CMD ["--help"]
