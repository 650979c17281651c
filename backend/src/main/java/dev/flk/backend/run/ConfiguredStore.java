// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.logs.postgres.PostgresRegistry;
import dev.flk.backend.logs.redis.RedisRegistry;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.Sweeper;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.postgres.PostgresStore;
import dev.flk.backend.outcomes.redis.RedisStore;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.program.parts.OpenedParts;
import dev.flk.view.RocksView;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The store of outcomes that {@code DEDUP_BACKEND} selects. */
final class ConfiguredStore {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private final BackendConfig config;
    private final BackendMetrics metrics;
    private final OpenedParts parts;
    private @Nullable RocksView view;
    private @Nullable EmbeddedStore embedded;

    ConfiguredStore(BackendConfig config, BackendMetrics metrics, OpenedParts parts) {
        this.config = config;
        this.metrics = metrics;
        this.parts = parts;
    }

    /** Returns when the backend is ready with this store. */
    Ready ready() {
        if (config.store().isShared()) {
            return Ready.WHEN_LOG_WAS_READ;
        }
        return config.store() instanceof StoreConfig.Memory
                ? Ready.WHEN_STORE_IS_COMPLETE
                : Ready.WHEN_STORE_HAS_CAUGHT_UP;
    }

    /**
     * Returns the id of the log that the embedded store belongs to; empty if the store does not know it, or another kind
     * of store is configured. Called while the log is being opened, if the file with the id of the log is missing or
     * damaged.
     */
    Optional<String> logId() {
        return config.store() instanceof StoreConfig.Embedded configured
                ? embedded(configured).logId()
                : Optional.empty();
    }

    /** Returns whether the embedded store is damaged, so that it does not know its log. */
    boolean isDamaged() {
        return view != null && view.isSpoiled();
    }

    private EmbeddedStore embedded(StoreConfig.Embedded configured) {
        if (embedded == null) {
            embedded = parts.opened(new EmbeddedStore(view(configured.dir())));
        }
        return embedded;
    }

    /** Returns the view in a directory, which the embedded store and the embedded record share. */
    RocksView view(Path directory) {
        if (view == null) {
            long keepFree = config.inbox().walMinFreeBytes();
            Runnable whenSetAside = metrics.store.setAside::increment;
            view = parts.opened(
                    config.store() instanceof StoreConfig.Embedded
                            ? EmbeddedStore.openView(directory, keepFree, System::nanoTime, whenSetAside)
                            : EmbeddedStore.unopenedView(directory, keepFree, System::nanoTime, whenSetAside));
        }
        return view;
    }

    /** Returns the view that the embedded store and the embedded record use; empty if there is neither. */
    Optional<RocksView> view() {
        return Optional.ofNullable(view);
    }

    /** Returns the registry of the logs whose outcomes are in this store. */
    LogRegistry registry() {
        if (config.store() instanceof StoreConfig.Redis redis) {
            return new RedisRegistry(redis.server());
        }
        return config.store() instanceof StoreConfig.Postgres postgres
                ? new PostgresRegistry(postgres.server())
                : LogRegistry.ofOneBackend();
    }

    /** @param isLogEmpty whether the log is new and has no records */
    GuardedStore open(String logId, boolean isLogEmpty, InstantSource expiry) {
        if (config.store() instanceof StoreConfig.Memory memory) {
            LOG.warn("DEDUP_BACKEND=memory is for trials: every start reads the whole log");
            return guarded("the memory store", new MemoryStore(memory.maxEntries(), expiry));
        }
        if (config.store() instanceof StoreConfig.Embedded configured) {
            EmbeddedStore store = embedded(configured);
            store.belongsTo(logId, isLogEmpty, expiry);
            GuardedStore guarded = guarded("the embedded store", store);
            parts.opened(Sweeper.start(store::sweepStretch));
            return guarded;
        }
        if (config.store() instanceof StoreConfig.Redis redis) {
            return guarded("Redis", RedisStore.open(redis.server(), logId, expiry));
        }
        if (config.store() instanceof StoreConfig.Postgres postgres) {
            PostgresStore store = new PostgresStore(
                    postgres.server(),
                    metrics.pool.of(Pool.DEDUP),
                    logId,
                    expiry,
                    System::nanoTime,
                    new SecureRandom());
            GuardedStore guarded = guarded("Postgres", store);
            parts.opened(Sweeper.start(store::removeStretch));
            metrics.pool.watch(Pool.DEDUP, store);
            return guarded;
        }
        throw new IllegalStateException("unknown store: " + config.store());
    }

    private GuardedStore guarded(String name, DedupStore store) {
        return parts.opened(new GuardedStore(name, store, System::nanoTime, new SecureRandom(), metrics.store));
    }
}
