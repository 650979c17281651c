// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.Document;
import dev.flk.state.Version;
import dev.flk.view.LogFollower;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The move of the record out of the state, where earlier versions kept it: copies all versions of the namespace
 * {@link #NAMESPACE}, and then the position up to which that record had read the log. How far the copy has come is
 * stored with the copied versions, so a kill repeats nothing; a copy that is repeated changes nothing. What is copied
 * stays in the state until it is removed there by its age.
 */
public final class RecordImport {
    /** The namespace in which the state kept the outcomes. */
    public static final String NAMESPACE = "flk.record";

    /** The namespace in which the state kept, for each log, the position up to which its outcomes were recorded. */
    public static final String POSITIONS = "flk.positions";

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final JsonMapper JSON = new JsonMapper();
    private static final String PROGRESS = "import/";
    private static final String WRITER = "record";
    private static final int MOST_VERSIONS = 100;
    private static final int REPORT_EVERY = 100_000;
    private static final int DIGEST_BYTES = 8;

    private final StateEngine engine;
    private final DecidedLog log;
    /** The name of the note about the progress; each backend copies its state, also if it shares the rows. */
    private final String note;

    private long copied;
    private long reported;

    public RecordImport(StateEngine engine, DecidedLog log) {
        this.engine = engine;
        this.log = log;
        this.note = PROGRESS + log.logId();
    }

    /**
     * How far the copy has come.
     *
     * @param after the key of the last copied outcome; null before the first one
     */
    private record Progress(boolean isDone, @Nullable StateKey after) {
        static Progress parse(@Nullable String text) {
            if (text == null) {
                return new Progress(false, null);
            }
            String[] lines = text.split("\n", -1);
            return lines.length < 2
                    ? new Progress(true, null)
                    : new Progress(false, new StateKey(NAMESPACE, lines[0], lines[1]));
        }

        String text() {
            return after == null ? "done" : after.agentId() + "\n" + after.name();
        }
    }

    /**
     * Copies one page.
     *
     * @return whether there is more to copy
     * @throws StateException if the state can't be read
     * @throws IOException if the log can't be read
     */
    public boolean step(OutcomeRows rows) throws IOException {
        Progress progress = Progress.parse(rows.notes(note).get(note));
        if (!progress.isDone()) {
            List<Document> page = engine.reads().values(NAMESPACE, "", progress.after());
            List<Placed> placed = new ArrayList<>();
            for (Document each : page) {
                placed.addAll(versions(each));
            }
            StateKey last = page.isEmpty() ? null : page.get(page.size() - 1).key();
            rows.apply(new Group(null, placed, Map.of(note, new Progress(last == null, last).text())));
            report(placed.size(), last == null);
            return true;
        }
        if (rows.position(log.logId()).isEmpty()) {
            copyPosition(rows);
        }
        return false;
    }

    private void report(int more, boolean isDone) {
        copied += more;
        if (isDone ? copied > 0 : copied - reported >= REPORT_EVERY) {
            reported = copied;
            LOG.info(
                    "the record of outcomes is moved out of the state: {} versions were copied{}",
                    copied,
                    isDone ? "; the move is complete" : " so far");
        }
    }

    /** Returns the versions of an outcome, the oldest first. */
    private List<Placed> versions(Document newest) {
        List<String> values = new ArrayList<>();
        if (newest.version().version() > 1) {
            engine.reads().history(newest.key(), Long.MAX_VALUE, MOST_VERSIONS).stream()
                    .map(Version::json)
                    .filter(json -> json != null)
                    .forEach(values::add);
            Collections.reverse(values);
        } else if (newest.version().json() != null) {
            values.add(newest.version().json());
        }
        return values.stream().map(json -> placed(newest.key(), json)).toList();
    }

    private static Placed placed(StateKey key, String json) {
        String[] parts = key.name().split("/", -1);
        String shard = key.agentId();
        String value = json;
        if (RecordedOutcome.isHashed(shard)) {
            ObjectNode members = (ObjectNode) parsed(json);
            shard = members.path("shard_id").asText();
            members.remove("shard_id");
            value = members.toString();
        }
        return new Placed(0, new OutcomeRows.Version(new RowKey(shard, Long.parseLong(parts[1]), parts[2]), value));
    }

    private static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (IOException e) {
            throw new IllegalStateException("the record contains a value that is not JSON", e);
        }
    }

    /**
     * Copies the position in this log, unless the state has none, or the log has another record there. Without a position,
     * the whole log is read, and what was copied is found in it again.
     */
    private void copyPosition(OutcomeRows rows) throws IOException {
        Found found = engine.reads()
                .get(List.of(new StateKey(POSITIONS, WRITER, log.logId())), new At.Now())
                .found()
                .get(0);
        if (!(found instanceof Found.Present present) || present.version().json() == null) {
            return;
        }
        JsonNode position = parsed(present.version().json());
        long sequence = position.path("sequence").asLong();
        try (LogFollower reader = new LogFollower(log)) {
            LogRecord record = reader.at(sequence);
            boolean isSame = record == null
                    ? sequence <= log.lastAtStart()
                    : digest(record).equals(position.path("digest").asText());
            if (isSame) {
                String digest = record == null ? "" : RecordDigest.of(record);
                rows.apply(new Group(new Position(log.logId(), sequence, digest), List.of(), Map.of()));
            }
        }
    }

    /**
     * Returns the digest with which the state kept a position: the first 16 hex digits of SHA-256 over sequence, arrival,
     * kind, key and body of the log record.
     */
    private static String digest(LogRecord record) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            String line = record.sequence() + " " + record.arrivalMillis() + " " + record.kind() + " " + record.keyId()
                    + "\n";
            sha256.update(line.getBytes(StandardCharsets.UTF_8));
            sha256.update(record.body());
            return HexFormat.of().formatHex(sha256.digest(), 0, DIGEST_BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this JVM has no SHA-256", e);
        }
    }
}
