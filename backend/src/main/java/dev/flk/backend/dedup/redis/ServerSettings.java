// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import io.lettuce.core.api.async.RedisAsyncCommands;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks once at the settings of the server that decide whether what it acknowledged stays, and warns of those under which it may
 * not. Only advice: a server that does not tell them is fine.
 */
final class ServerSettings {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");

    private final AtomicBoolean told = new AtomicBoolean();

    /** Asks, unless it has told before, and returns at once. */
    void look(RedisAsyncCommands<String, byte[]> redis, String where) {
        if (told.get()) {
            return;
        }
        var policy = setting(redis, "maxmemory-policy");
        var appendonly = setting(redis, "appendonly");
        var appendfsync = setting(redis, "appendfsync");
        // a connection that ends in between leaves some unanswered: then the next one asks for all of them again
        CompletableFuture<Void> unused = CompletableFuture.allOf(policy, appendonly, appendfsync)
                .thenRun(() -> {
                    if (told.compareAndSet(false, true)) {
                        warn(where, policy.join(), appendonly.join(), appendfsync.join());
                    }
                })
                .exceptionally(notTold -> null);
    }

    private static CompletableFuture<String> setting(RedisAsyncCommands<String, byte[]> redis, String name) {
        return redis.configGet(name)
                .toCompletableFuture()
                .thenApply((Map<String, String> found) -> found.getOrDefault(name, ""));
    }

    private static void warn(String where, String policy, String appendonly, String appendfsync) {
        if (!policy.isEmpty() && !policy.equals("noeviction")) {
            LOG.warn(
                    "Redis at {} has maxmemory-policy {}: it may drop outcomes that were answered; set noeviction",
                    where,
                    policy);
        }
        if (appendonly.equals("no")) {
            LOG.warn(
                    "Redis at {} has appendonly no: when it ends, it loses outcomes that were answered; set appendonly yes",
                    where);
        } else if (appendfsync.equals("no")) {
            LOG.warn(
                    "Redis at {} has appendfsync no: a power loss loses outcomes that were answered; set always or everysec",
                    where);
        }
    }
}
