// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.Logs.RegisteredLog;
import dev.flk.backend.logs.Logs.View;
import dev.flk.program.cli.ErrorMessages;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;

/** The rules for a log that an operator gives up. */
public final class ForgettableLog {
    private ForgettableLog() {}

    /** The refusal to give up a log. */
    public static final class NotForgettableException extends Exception {
        private static final long serialVersionUID = 1;

        NotForgettableException(String message) {
            super(message);
        }
    }

    /**
     * Returns the log with a name or id.
     *
     * @throws NotForgettableException if there is no such log, several have that name, or a backend reports it
     */
    static LogEntry find(View view, String name, long nowMillis) throws NotForgettableException {
        List<RegisteredLog> named = view.logs().stream()
                .filter(log ->
                        log.entry().name().equals(name) || log.entry().logId().equals(name))
                .toList();
        if (named.isEmpty()) {
            throw new NotForgettableException("the store knows no log with the name or id " + name);
        }
        if (named.size() > 1) {
            throw new NotForgettableException("several logs have the name " + name + "; give the id of one: "
                    + named.stream().map(log -> log.entry().logId()).collect(Collectors.joining(", ")));
        }
        RegisteredLog log = named.get(0);
        if (log.isInUse()) {
            throw new NotForgettableException("the log " + name + " is in use: a backend reported it "
                    + ErrorMessages.duration(Duration.ofMillis(
                            Math.max(0, nowMillis - log.entry().seenMillis())))
                    + " ago; a log can be given up "
                    + Logs.MISSING_AFTER.toMinutes() + " minutes after its last report");
        }
        return log.entry();
    }
}
