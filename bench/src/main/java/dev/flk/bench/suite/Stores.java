// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Redis;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The same load with each store that this machine can run. */
final class Stores implements Suite {
    private static final String EMBEDDED = "embedded";
    private static final String REDIS = "redis";

    @Override
    public String name() {
        return "stores";
    }

    @Override
    public String description() {
        return "singles over 64 connections with the embedded store, in memory, and Redis beside it";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Redis redis = workshop.keep(Redis.start(workshop.directory("redis-server")));
        Map<String, Map<String, String>> stores = new LinkedHashMap<>();
        stores.put(EMBEDDED, Map.of());
        stores.put("memory", Map.of("DEDUP_BACKEND", "memory"));
        stores.put(REDIS, Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", redis.uri()));
        List<Subject> subjects = new ArrayList<>();
        for (Map.Entry<String, Map<String, String>> store : stores.entrySet()) {
            Server backend = workshop.backend(store.getKey(), store.getValue());
            Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
            subjects.add(new HttpLoad(store.getKey(), backend, 64, stock, 30_000, "200"));
        }
        Results results = rounds.run(name(), "certificates", EMBEDDED, subjects);
        return results.with(
                List.of(Target.atLeast("redis, of the embedded store", results.ratio(REDIS, EMBEDDED), 0.6)));
    }
}
