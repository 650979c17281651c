// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.Logs.RegisteredLog;
import dev.flk.backend.logs.Logs.Status;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The log lines about the backends of a store. Each problem is logged once, and its end. Used by one thread at a time. */
final class RegistryWarnings {
    private static final int SHORT_HASH = 12;
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.logs");

    private final Set<String> missing = new TreeSet<>();
    private String otherPolicies = "";

    static void warnOfAnotherOwner(LogEntry mine, @Nullable LogEntry found) {
        if (found != null && !found.instance().equals(mine.instance()) && !found.ended()) {
            LOG.error(
                    "another backend, instance {}, reports this log, {}: two processes use copies of one log; stop the"
                            + " one that must not go on",
                    found.instance(),
                    mine.logId());
        }
    }

    void warnOfMissing(List<RegisteredLog> logs) {
        Set<String> now = new HashSet<>();
        for (RegisteredLog log : logs) {
            LogEntry entry = log.entry();
            if (log.status() == Status.MISSING && now.add(entry.logId()) && missing.add(entry.logId())) {
                LOG.error(
                        "the log {} ({}) is missing: no backend has reported it since {}. The bodies of its"
                                + " certificates and their record are only on its disk{}: bring the disk back, restore"
                                + " the log from its archive ('flk-backend wal restore'), or give it up"
                                + " ('flk-backend logs forget {}')",
                        entry.name(),
                        entry.logId(),
                        Instant.ofEpochMilli(entry.seenMillis()),
                        entry.archivedUpTo() == 0 ? "" : " and, up to record " + entry.archivedUpTo() + ", archived",
                        entry.name());
            }
        }
        for (RegisteredLog log : logs) {
            if (!now.contains(log.entry().logId()) && missing.remove(log.entry().logId())) {
                LOG.info(
                        "the log {} ({}) is no longer missing",
                        log.entry().name(),
                        log.entry().logId());
            }
        }
    }

    void warnOfPolicies(LogEntry mine, List<RegisteredLog> logs) {
        String differing = logs.stream()
                .filter(log ->
                        log.status() == Status.UP && !log.entry().policy().equals(mine.policy()))
                .map(log -> log.entry().name() + " has " + shortened(log.entry().policy()))
                .collect(Collectors.joining(", "));
        if (!differing.equals(otherPolicies)) {
            otherPolicies = differing;
            if (differing.isEmpty()) {
                LOG.info("all backends have the same policy again");
            } else {
                LOG.warn(
                        "backends of this store decide by other policies than this one, which has {}: {}",
                        shortened(mine.policy()),
                        differing);
            }
        }
    }

    private static String shortened(String hash) {
        return hash.substring(0, Math.min(SHORT_HASH, hash.length()));
    }
}
