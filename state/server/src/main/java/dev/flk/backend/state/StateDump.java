// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonRawValue;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.client.StateCare.Dump;
import dev.flk.client.StateEvent;
import dev.flk.client.Versioned;
import dev.flk.program.json.Json;
import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A dump of the state in lines of JSON. The first line describes the history, and the last line contains the number of
 * events. Each line between them is an event as {@code replay --json} prints it, but without a resume token. Values are
 * stored as they were written.
 */
public final class StateDump {
    /** A mapper without limits, because the sizes of values were limited when they were written. */
    private static final JsonMapper JSON = new JsonMapper(Json.withoutLimits());

    private static final int FORMAT = 1;
    private static final Instant FIRST = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant LAST = Instant.parse("9999-12-31T23:59:59.999999999Z");

    private final Path file;
    private final long floor;
    private final long floorAtMicros;

    private StateDump(Path file, long floor, long floorAtMicros) {
        this.file = file;
        this.floor = floor;
        this.floorAtMicros = floorAtMicros;
    }

    /** The first line of a dump. */
    private record Header(int dump, String historyId, long floor, Instant floorAt) {}

    /**
     * An event as a line of a dump or of {@code replay --json}.
     *
     * @param resumeToken null in a dump
     */
    public record EventLine(
            long revision,
            Instant committedAt,
            int operationsTotal,
            List<ChangeLine> changes,
            @Nullable String resumeToken) {
        public static EventLine of(StateEvent event, @Nullable String resumeToken) {
            return new EventLine(
                    event.revision(),
                    event.committedAt(),
                    event.operationsTotal(),
                    event.changes().stream().map(ChangeLine::of).toList(),
                    resumeToken);
        }
    }

    /**
     * A change; {@code value} is null for a deletion.
     *
     * @param ttlMicros the lifetime with which the version was written; null for none
     */
    public record ChangeLine(
            String namespace,
            String agentId,
            String key,
            long version,
            String kind,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Long ttlMicros,

            @JsonRawValue @Nullable String value) {
        static ChangeLine of(StateEvent.Change change) {
            return new ChangeLine(
                    change.namespace(),
                    change.agentId(),
                    change.key(),
                    change.version(),
                    change.isDeleted() ? "DELETE" : "WRITE",
                    micros(change.ttl()),
                    change.isDeleted() ? null : change.json());
        }
    }

    private static @Nullable Long micros(@Nullable Duration ttl) {
        return ttl == null ? null : TimeUnit.NANOSECONDS.toMicros(ttl.toNanos());
    }

    /** A version of a key; {@code value} is null for a deletion. */
    public record VersionLine(
            long version,
            long revision,
            Instant committedAt,
            boolean deleted,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Long ttlMicros,

            @JsonRawValue @Nullable String value) {
        public static VersionLine of(Versioned of) {
            return new VersionLine(
                    of.version(),
                    of.revision(),
                    of.committedAt(),
                    of.isDeleted(),
                    micros(of.ttl()),
                    of.isDeleted() ? null : of.json());
        }
    }

    /** Writes a dump and returns its number of events. */
    public static long write(Dump dump, PrintWriter to) throws IOException {
        to.print(Json.line(new Header(FORMAT, dump.historyId(), dump.floor(), dump.floorAt())));
        long events = 0;
        try (Stream<StateEvent> all = dump.events()) {
            for (Iterator<StateEvent> each = all.iterator(); each.hasNext(); events++) {
                to.print(Json.line(EventLine.of(each.next(), null)));
            }
        }
        to.print(Json.line(Map.of("events", events)));
        if (to.checkError()) {
            throw new IOException("the dump can't be written: is the disk full?");
        }
        return events;
    }

    /**
     * Writes a dump to a new file with mode 0600, forces the file to disk and returns the number of events. Deletes the
     * file if writing or forcing fails.
     */
    public static long writeNew(Dump dump, Path file) throws IOException {
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(file + " exists already; name another file");
        }
        FileChannel channel = FileChannel.open(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OwnerOnly.file(file));
        try (channel;
                PrintWriter lines = new PrintWriter(Channels.newWriter(channel, StandardCharsets.UTF_8))) {
            long events = write(dump, lines);
            channel.force(true);
            return events;
        } catch (IOException | RuntimeException e) {
            Files.delete(file);
            throw e;
        }
    }

    /**
     * Opens a dump after checking that all its lines are complete and in order.
     *
     * @throws IOException if the file can't be read or is not a complete dump; the message names the line and the
     *     problem
     */
    public static StateDump open(Path file) throws IOException {
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            JsonNode first = header(file, lines.readLine());
            StateDump dump = new StateDump(
                    file,
                    first.path("floor").asLong(),
                    micros(first.path("floor_at").asText()));
            try (Events events = dump.new Events()) {
                while (events.hasNext()) {
                    Event unused = events.next();
                }
            }
            return dump;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } catch (DateTimeException e) {
            throw new IOException(file + ": line 1: floor_at is not a time in the years 1 to 9999", e);
        }
    }

    private static JsonNode header(Path file, @Nullable String line) throws IOException {
        JsonNode header;
        try {
            header = JSON.readTree(line == null ? "" : line);
        } catch (JsonProcessingException e) {
            throw new IOException(file + ": line 1 is not the header of a dump", e);
        }
        if (header.path("dump").asInt() != FORMAT) {
            throw new IOException(file + ": line 1 is not the header of a dump, or a newer version wrote the dump");
        }
        return header;
    }

    public long floor() {
        return floor;
    }

    public long floorAtMicros() {
        return floorAtMicros;
    }

    /**
     * Returns the events of the dump. For each revision after the floor that the dump leaves out, an event without
     * changes is inserted, so that no revision after the floor is missing.
     */
    public Events events() throws IOException {
        return new Events();
    }

    /** @throws DateTimeException if the text is not a time in the years 1 to 9999 */
    private static long micros(String text) {
        Instant time = Instant.parse(text);
        if (time.isBefore(FIRST) || time.isAfter(LAST)) {
            throw new DateTimeException("'" + text + "' is not in the years 1 to 9999");
        }
        return StateEngine.micros(time);
    }

    /** The events of the file, one line at a time. */
    public final class Events implements Iterator<Event>, AutoCloseable {
        private final BufferedReader lines;
        private long number = 1;
        private long events;
        private long revision = floor;
        private long atMicros = floorAtMicros;
        private @Nullable Event next;

        private Events() throws IOException {
            lines = Files.newBufferedReader(file);
            String unused = lines.readLine();
            next = read();
        }

        @Override
        public boolean hasNext() {
            return next != null;
        }

        @Override
        public Event next() {
            Event read = next;
            if (read == null) {
                throw new NoSuchElementException();
            }
            if (read.revision() > revision + 1) {
                revision++;
                atMicros++;
                return new Event(revision, atMicros, List.of());
            }
            if (read.revision() > floor) {
                revision = read.revision();
                atMicros = read.committedAtMicros();
            }
            next = read();
            return read;
        }

        private @Nullable Event read() {
            number++;
            try {
                String line = lines.readLine();
                if (line == null) {
                    throw new IOException("the last line, with the number of events, is missing");
                }
                if (line.startsWith("{\"events\":")) {
                    if (JSON.readTree(line).path("events").asLong() != events || lines.readLine() != null) {
                        throw new IOException("the number of events is wrong: lines are missing or added");
                    }
                    return null;
                }
                Event event = event(line);
                boolean follows = event.revision() > revision && event.committedAtMicros() > atMicros;
                if (event.revision() > floor ? !follows : revision > floor) {
                    throw new IOException(
                            "revision " + event.revision() + ", or its committed_at, is not above that of the event"
                                    + " before; the lines are not in order");
                }
                events++;
                return event;
            } catch (JsonProcessingException | StateException | DateTimeException e) {
                throw new UncheckedIOException(
                        new IOException(file + ": line " + number + " is not an event: " + e.getMessage(), e));
            } catch (IOException e) {
                throw new UncheckedIOException(new IOException(file + ": line " + number + ": " + e.getMessage(), e));
            }
        }

        @Override
        public void close() throws IOException {
            lines.close();
        }
    }

    private static Event event(String line) throws IOException {
        long revision = 0;
        long atMicros = 0;
        int total = 0;
        List<Change> changes = new ArrayList<>();
        try (JsonParser parser = JSON.createParser(line)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "revision" -> revision = parser.getLongValue();
                    case "committed_at" -> atMicros = micros(parser.getText());
                    case "operations_total" -> total = parser.getIntValue();
                    case "changes" -> {
                        while (parser.nextToken() == JsonToken.START_OBJECT) {
                            changes.add(change(parser, line));
                        }
                    }
                    default -> parser.skipChildren();
                }
            }
        }
        if (revision < 1 || changes.isEmpty()) {
            throw new IOException("revision or changes are missing");
        }
        return new Event(revision, atMicros, changes, Math.max(total, changes.size()));
    }

    private static Change change(JsonParser parser, String line) throws IOException {
        String namespace = "";
        String agentId = "";
        String key = "";
        long version = 0;
        String json = null;
        long ttlMicros = 0;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            switch (name) {
                case "namespace" -> namespace = parser.getText();
                case "agent_id" -> agentId = parser.getText();
                case "key" -> key = parser.getText();
                case "version" -> version = parser.getLongValue();
                case "ttl_micros" -> ttlMicros = parser.getLongValue();
                case "value" -> {
                    int from = (int) parser.currentTokenLocation().getCharOffset();
                    parser.skipChildren();
                    parser.finishToken();
                    json = line.substring(from, (int) parser.currentLocation().getCharOffset());
                }
                default -> parser.skipChildren();
            }
        }
        if (version < 1) {
            throw new IOException("a change has no version");
        }
        return new Change(new StateKey(namespace, agentId, key), version, json, ttlMicros);
    }
}
