// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads an audit log, also while a backend writes it. */
public final class AuditReader {
    private static final JsonMapper JSON = new JsonMapper();

    private final Path directory;

    public AuditReader(Path directory) {
        this.directory = directory;
    }

    /**
     * One line.
     *
     * @param details all but time and event, in their order
     * @param json as it stands in the file, without its end
     */
    public record Entry(Instant time, String event, Map<String, String> details, String json) {
        public Entry {
            details = new LinkedHashMap<>(details);
        }

        @Override
        public Map<String, String> details() {
            return new LinkedHashMap<>(details);
        }
    }

    /**
     * What was found.
     *
     * @param entries by time
     * @param unreadable lines that are none, as a power failure leaves them
     */
    public record Found(List<Entry> entries, int unreadable) {
        public Found {
            entries = List.copyOf(entries);
        }
    }

    /** Whether there is an audit log. */
    public boolean isThere() {
        return files().stream().anyMatch(Files::exists);
    }

    /**
     * All that happened at {@code since} or later.
     *
     * @throws IOException if a file can't be read
     */
    public Found since(Instant since) throws IOException {
        List<Entry> entries = new ArrayList<>();
        int unreadable = 0;
        for (Path file : files()) {
            if (Files.exists(file)) {
                unreadable += read(file, since, entries);
            }
        }
        entries.sort(Comparator.comparing(Entry::time));
        return new Found(entries, unreadable);
    }

    /** How many lines are none. */
    private static int read(Path file, Instant since, List<Entry> entries) throws IOException {
        int unreadable = 0;
        try (BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Optional<Entry> entry = entry(line);
                unreadable += entry.isEmpty() ? 1 : 0;
                entry.filter(read -> !read.time().isBefore(since)).ifPresent(entries::add);
            }
            return unreadable;
        }
    }

    private List<Path> files() {
        List<Path> files = new ArrayList<>(BoundedFile.files(directory, OperationsFile.NAME));
        files.addAll(BoundedFile.files(directory, AuditLog.REFUSALS));
        return files;
    }

    private static Optional<Entry> entry(String line) {
        try {
            JsonNode read = JSON.readTree(line);
            if (read == null
                    || !read.path("time").isTextual()
                    || !read.path("event").isTextual()) {
                return Optional.empty();
            }
            Map<String, String> details = new LinkedHashMap<>();
            read.properties().forEach(member -> {
                if (!member.getKey().equals("time") && !member.getKey().equals("event")) {
                    details.put(member.getKey(), member.getValue().asText());
                }
            });
            return Optional.of(new Entry(
                    Instant.parse(read.path("time").textValue()),
                    read.path("event").textValue(),
                    details,
                    line));
        } catch (JsonProcessingException | DateTimeParseException e) {
            return Optional.empty();
        }
    }
}
