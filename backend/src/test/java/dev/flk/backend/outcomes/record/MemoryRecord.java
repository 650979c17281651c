// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.Reviews.ReviewMetrics;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.canonical.Sha256;
import dev.flk.certificate.PcsId;
import dev.flk.program.json.Json;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.StateEngine;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A record of outcomes that ends with its test, and a state in memory for the reviews. */
public final class MemoryRecord implements AutoCloseable {
    private final AtomicReference<@Nullable Runnable> beforeCommit = new AtomicReference<>();
    private final StateEngine engine = MemoryEngine.started(this::now, Instant::now);
    private final TemporaryRows rows = new TemporaryRows();
    private final RecordedOutcomes outcomes = new RecordedOutcomes(rows.rows(), true, Optional::empty, () -> false);

    /** Returns the time of a commit; first does the work of {@link #beforeNextCommit}. */
    private Instant now() {
        Runnable work = Thread.currentThread().getName().equals("state-writer") ? beforeCommit.getAndSet(null) : null;
        if (work != null) {
            work.run();
        }
        return Instant.now();
    }

    /** Sets work that the engine's writer does once, in its next commit, before it takes the commits after it. */
    public void beforeNextCommit(Runnable work) {
        beforeCommit.set(work);
    }

    public StateEngine engine() {
        return engine;
    }

    public OutcomeRows rows() {
        return rows.rows();
    }

    public RecordedOutcomes outcomes() {
        return outcomes;
    }

    /** Returns reviews of these outcomes that are made at a time, with metrics of two shards. */
    public Reviews reviews(Metrics metrics, Instant at) {
        return new Reviews(
                outcomes, engine, Duration.ofDays(1), Duration.ofDays(90), () -> at, new ReviewMetrics(metrics, 2));
    }

    /** Notes that the record lacks something for good. */
    public void lack(String what) {
        rows.rows().apply(new Group(null, List.of(), Map.of(OutcomeRows.GAPS + "test", what)));
    }

    /** Adds an outcome and returns its id. */
    public String add(String shard, long epoch, String verdict, String reason, Instant received) {
        return add(shard, epoch, verdict, reason, received, Map.of());
    }

    /** Adds an outcome with this id and returns the id. */
    public String add(String shard, long epoch, String verdict, String reason, Instant received, String id) {
        return add(shard, epoch, verdict, reason, received, Map.of(), id);
    }

    /** Adds an outcome with additional members and returns its id. */
    public String add(
            String shard, long epoch, String verdict, String reason, Instant received, Map<String, Object> members) {
        String id = HexFormat.of().formatHex(Sha256.of((shard + " " + epoch).getBytes(StandardCharsets.UTF_8)));
        return add(shard, epoch, verdict, reason, received, members, id);
    }

    private String add(
            String shard,
            long epoch,
            String verdict,
            String reason,
            Instant received,
            Map<String, Object> members,
            String id) {
        Version version = version(shard, epoch, verdict, reason, received, members, id);
        rows.rows().apply(new Group(null, List.of(new Placed(0, version)), Map.of()));
        return id;
    }

    /** Returns an outcome with additional members; the reason is left out if it was accepted. */
    public static Version version(
            String shard,
            long epoch,
            String verdict,
            String reason,
            Instant received,
            Map<String, Object> members,
            String id) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("verdict", verdict);
        json.put("D_hat", 1.4);
        json.put("recomputed_D_hat", 1.2);
        json.put("recomputed_budget", 0.3);
        json.put("regime", "mixed");
        if (!verdict.equals("accepted")) {
            json.put("reason", reason);
        }
        json.put("policy", "p");
        json.put("budget", 0.4);
        json.put("coh_star", 0.5);
        json.put("r", 0.8);
        json.put("merkle_root", "0".repeat(64));
        json.put("window_start", members.getOrDefault("window_end", ""));
        json.put("received_at", received.toString());
        json.put("key_id", "key-1");
        json.putAll(members);
        RecordedOutcome outcome = OutcomeJson.parse(PcsId.parse(id).orElseThrow(), Json.line(json));
        return new Version(new RowKey(shard, epoch, id), outcome);
    }

    @Override
    public void close() {
        rows.close();
        engine.close();
    }
}
