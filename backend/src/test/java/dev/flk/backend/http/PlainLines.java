// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The slow, plain reference for the lines of a batch; a character is a byte. */
final class PlainLines {
    private PlainLines() {}

    /** The lines of a batch, whatever their length and number. */
    static List<String> of(String body) {
        List<String> lines = new ArrayList<>(List.of(body.split("\n", -1)));
        if (lines.get(lines.size() - 1).isEmpty()) {
            lines.remove(lines.size() - 1); // behind the last newline begins none
        }
        boolean lastHasNewline = body.endsWith("\n");
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            boolean hasNewline = lastHasNewline || i < lines.size() - 1;
            lines.set(i, hasNewline && line.endsWith("\r") ? line.substring(0, line.length() - 1) : line);
        }
        return lines;
    }

    /** Those that ingest must get. */
    static List<String> submitted(String body) {
        List<String> lines = of(body);
        return lines.size() > FuzzedConnection.MAX_BATCH_LINES
                ? List.of()
                : lines.stream()
                        .filter(line -> line.length() <= FuzzedConnection.MAX_BODY_BYTES)
                        .toList();
    }

    /** The answer to the whole batch, where each line is answered with itself in hex. */
    static String answer(String body) {
        StringBuilder answer = new StringBuilder();
        for (String line : of(body)) {
            answer.append(
                    line.length() > FuzzedConnection.MAX_BODY_BYTES
                            ? "{\"status\":413,\"body\":{\"error\":\"body over 200 bytes\"}}\n"
                            : "{\"status\":200,\"body\":\""
                                    + PlainRequests.hex(line.getBytes(StandardCharsets.ISO_8859_1)) + "\"}\n");
        }
        return answer.toString();
    }
}
