// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of the record of outcomes and of its reviews.
 *
 * @param store the place of the record; empty if the backend keeps no record
 * @param history how long the record keeps an outcome and its reviews
 * @param reviewAfter the time after which a certificate without a review counts as overdue
 * @param changeAlert whether a metric shows the number of shards that changed
 */
public record RecordConfig(Optional<Store> store, Duration history, Duration reviewAfter, boolean changeAlert) {
    /** The place of the record. */
    public sealed interface Store {
        /** A RocksDB in the directory of the embedded dedup store, which exists whatever the dedup store is. */
        record Embedded(Path directory) implements Store {}

        /** A table that all backends on the server share. */
        record Postgres(PostgresConfig server) implements Store {}
    }

    private enum Kind {
        EMBEDDED,
        POSTGRES
    }

    private static final Key<Boolean> RECORD = Key.of(
                    "RECORD",
                    Quantities::onOrOff,
                    "`on`: the backend keeps a record of the outcome of every certificate.")
            .or("on");
    private static final Key<Kind> RECORD_STORE = Key.of(
                    "RECORD_STORE",
                    oneOf(Kind.class),
                    "Where the record is: `embedded`, in `DEDUP_DIR`, or `postgres`.")
            .derived("`postgres` if `DEDUP_BACKEND` or `STATE_ENGINE` is; otherwise `embedded`");
    private static final Key<Duration> RECORD_HISTORY = Key.of(
                    "RECORD_HISTORY",
                    Quantities.duration(Duration.ofDays(1), Duration.ofDays(36_500)),
                    "How long the record keeps an outcome and its reviews.")
            .or("90d");
    private static final Key<Duration> REVIEW_AFTER = Key.of(
                    "REVIEW_AFTER",
                    Quantities.duration(Duration.ofMinutes(1), Duration.ofDays(36_500)),
                    "The time after which an escalated or rejected certificate without a review counts as overdue.")
            .or("1d");
    private static final Key<Boolean> CHANGE_ALERT = Key.of(
                    "CHANGE_ALERT",
                    Quantities::onOrOff,
                    "`on`: a metric shows the number of shards whose shape changed, so that an alert can fire.")
            .or("on");

    /** The settings of the record, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(RECORD, RECORD_STORE, RECORD_HISTORY, REVIEW_AFTER, CHANGE_ALERT);

    /** The time-out of a statement in Postgres unless POSTGRES_STATEMENT_TIMEOUT is set. */
    private static final Duration POSTGRES_TIMEOUT = Duration.ofSeconds(3);

    /**
     * Reads the settings of the record.
     *
     * @param outcomes the dedup store
     * @param wasInPostgres whether earlier versions kept it in Postgres, because the state was there
     */
    public static RecordConfig read(Settings settings, StoreConfig outcomes, boolean wasInPostgres) {
        boolean isOn = settings.get(RECORD);
        Optional<Kind> selected = settings.find(RECORD_STORE);
        Kind kind = selected.orElse(
                outcomes instanceof StoreConfig.Postgres || wasInPostgres ? Kind.POSTGRES : Kind.EMBEDDED);
        if (!isOn) {
            settings.unused("RECORD is off", List.of(RECORD_STORE, RECORD_HISTORY, REVIEW_AFTER, CHANGE_ALERT));
        }
        return new RecordConfig(
                isOn ? Optional.of(store(settings, kind, selected.isPresent())) : Optional.empty(),
                settings.get(RECORD_HISTORY),
                settings.get(REVIEW_AFTER),
                settings.get(CHANGE_ALERT));
    }

    private static Store store(Settings settings, Kind kind, boolean isSelected) {
        return switch (kind) {
            case EMBEDDED -> new Store.Embedded(settings.get(StoreConfig.DEDUP_DIR));
            case POSTGRES ->
                new Store.Postgres(PostgresConfig.read(
                        settings,
                        new TimeLimit("", POSTGRES_TIMEOUT),
                        // a default follows a setting that needs the server too, and is read with it
                        isSelected ? Optional.of("RECORD_STORE") : Optional.empty()));
        };
    }

    /** Returns whether RECORD_STORE is given. */
    public static boolean isStoreGiven(Settings settings) {
        return settings.isGiven(RECORD_STORE);
    }

    /** Returns whether the record is in the directory of the embedded dedup store. */
    public boolean isEmbedded() {
        return store.isPresent() && store.get() instanceof Store.Embedded;
    }

    /** Returns the server of a record in Postgres; empty if the record is elsewhere or off. */
    public Optional<PostgresConfig> postgres() {
        return store.isPresent() && store.get() instanceof Store.Postgres in
                ? Optional.of(in.server())
                : Optional.empty();
    }

    /** Returns the value of RECORD_STORE that is in force. */
    public String storeName() {
        return postgres().isPresent() ? "postgres" : isEmbedded() ? "embedded" : "-";
    }
}
