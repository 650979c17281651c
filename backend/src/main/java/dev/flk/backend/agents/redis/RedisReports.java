// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents.redis;

import dev.flk.backend.agents.SharedReports;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import io.lettuce.core.MapScanCursor;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanCursor;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import java.time.Duration;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/**
 * The reports in Redis: one hash, {@code flk:agents} or, in a cluster, <code>{flk}:agents</code>, with a field for each
 * agent. The hash ends a day after the last report.
 */
public final class RedisReports implements SharedReports {
    private static final Duration KEPT = Duration.ofDays(1);

    private final RedisConnector connector;
    private final String key;
    private @Nullable StatefulRedisConnection<String, String> connection;

    /** Creates an object that opens its connection when it is needed. */
    public RedisReports(RedisConfig config) {
        this.connector = new RedisConnector(config);
        this.key = connector.prefix() + "agents";
    }

    @Override
    public void exchange(Map<String, String> newest, BiPredicate<String, String> reader) {
        RedisAsyncCommands<String, String> redis = connection().async();
        Map<String, String> part = new HashMap<>();
        for (Iterator<Map.Entry<String, String>> left = newest.entrySet().iterator(); left.hasNext(); ) {
            Map.Entry<String, String> each = left.next();
            part.put(each.getKey(), each.getValue());
            if (part.size() == AT_ONCE || !left.hasNext()) {
                long unused = answer(redis.hset(key, part));
                boolean unusedToo = answer(redis.expire(key, KEPT));
                part.clear();
            }
        }
        ScanArgs step = ScanArgs.Builder.limit(AT_ONCE);
        MapScanCursor<String, String> found = answer(redis.hscan(key, step));
        while (true) {
            String[] old = found.getMap().entrySet().stream()
                    .filter(each -> !reader.test(each.getKey(), each.getValue()))
                    .map(Map.Entry::getKey)
                    .toArray(String[]::new);
            if (old.length > 0) {
                long unused = answer(redis.hdel(key, old));
            }
            if (found.isFinished()) {
                return;
            }
            found = answer(redis.hscan(key, ScanCursor.of(found.getCursor()), step));
        }
    }

    private StatefulRedisConnection<String, String> connection() {
        if (connection == null || !connection.isOpen()) {
            connection = answer(connector.connect(StringCodec.UTF8));
        }
        return connection;
    }

    private <T> T answer(CompletionStage<T> call) {
        try {
            return call.toCompletableFuture().get(connector.connectWithin().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw failed(connector.unavailable(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed(connector.unavailable("was not waited for"));
        }
    }

    private StoreUnavailableException failed(StoreUnavailableException reason) {
        StatefulRedisConnection<String, String> broken = connection;
        connection = null;
        if (broken != null) {
            var unused = broken.closeAsync();
        }
        return reason;
    }

    @Override
    public void close() {
        connector.close();
    }
}
