// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.program.cli.Printable;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reader of the entries that a registry keeps in a store. Other programs can write to that store. Therefore, a text
 * that no backend writes is skipped, and the log names it once. One thread.
 */
public final class EntryReader {
    /** The maximum number of entries. A registry reads one more, to find out whether the store has more. */
    public static final int MOST_ENTRIES = 1_000;

    private static final int MOST_NAMED = 100;
    private static final int MOST_ID_CHARS = 40;
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.logs");

    private final String place;
    private final Set<String> named = new HashSet<>();
    private Map<String, LogEntry> entries = new LinkedHashMap<>();

    /** @param place the key or table of the registry, for the log */
    public EntryReader(String place) {
        this.place = place;
    }

    /** Adds the entry of a log. Of a text longer than {@link LogEntry#MOST_CHARS}, one character more is enough. */
    public void add(String logId, String text) {
        if (entries.size() == MOST_ENTRIES) {
            name("*", "more than " + MOST_ENTRIES + " entries; the others are");
            return;
        }
        LogEntry.parse(text)
                .filter(entry -> entry.logId().equals(logId))
                .ifPresentOrElse(
                        entry -> entries.put(logId, entry),
                        () -> name(
                                logId,
                                "an entry of the log "
                                        + Printable.of(logId.substring(0, Math.min(logId.length(), MOST_ID_CHARS)))
                                        + " that no backend writes; it is"));
    }

    private void name(String logId, String what) {
        if (named.size() < MOST_NAMED && named.add(logId.substring(0, Math.min(logId.length(), MOST_ID_CHARS)))) {
            LOG.warn(
                    "the registry of logs, {} in the store, has {} skipped until somebody deletes it there",
                    place,
                    what);
        }
    }

    /** Returns the entries that were added since the last call, by the ids of their logs. */
    public Map<String, LogEntry> take() {
        Map<String, LogEntry> taken = entries;
        entries = new LinkedHashMap<>();
        return taken;
    }
}
