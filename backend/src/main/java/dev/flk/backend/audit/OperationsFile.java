// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import dev.flk.canonical.JsonLine;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;

/**
 * What people and the backend itself do: starts, stops, configuration, keys, commands. {@code operations.jsonl}, one JSON object a line,
 * each on disk when the call returns. Strangers can cause none of it. Safe for any thread and for several processes.
 */
public final class OperationsFile {
    static final String NAME = "operations";
    private static final long MOST_BYTES = 32L << 20;
    private static final int MOST_CHARS = 4_000;

    private final BoundedFile file;
    private final InstantSource clock;
    private final Operator operator;

    /**
     * @param directory made with the first line
     * @param environment of this process, which tells who runs it
     */
    public OperationsFile(Path directory, Map<String, String> environment, InstantSource clock) {
        this.file = new BoundedFile(directory, NAME, MOST_BYTES);
        this.clock = clock;
        this.operator = Operator.ofThisProcess(environment);
    }

    /**
     * A line.
     *
     * @param event what happened, in words that the docs list
     * @param details names and values, in their order; never a secret
     * @throws IOException if it can't be written
     */
    public void write(String event, Map<String, String> details) throws IOException {
        JsonLine line = operator.on(begun(clock, event));
        details.forEach((name, value) -> line.text(name, shortened(value)));
        file.append(List.of(line.end()), true);
    }

    static JsonLine begun(InstantSource clock, String event) {
        return new JsonLine()
                .text("time", clock.instant().truncatedTo(ChronoUnit.MILLIS).toString())
                .text("event", event);
    }

    private static String shortened(String text) {
        return text.length() > MOST_CHARS ? text.substring(0, MOST_CHARS) + "…" : text;
    }
}
