// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.logging.Printable;
import dev.flk.agent.outbox.DeadLetterFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Ids of dead letters as people give them: whole, or so much of the beginning that only one has it. */
final class LetterIds {
    /** In characters; less is soon the beginning of several. */
    static final int SHORTEST_BEGINNING = 8;

    private static final int WHOLE = 64;
    private static final int MOST_NAMED = 5;
    /** {@code dlq list} cuts ids so. */
    private static final String CUT = "…";

    private LetterIds() {}

    /**
     * The whole ids, in the order given. What is a whole id or an outbox sequence in the file, and what is the beginning of none, stays.
     *
     * @throws IOException naming some, if several begin so
     */
    static List<String> whole(Path file, List<String> given) throws IOException {
        List<String> whole = new ArrayList<>();
        for (String id : given) {
            String text = id.endsWith(CUT) ? id.substring(0, id.length() - CUT.length()) : id;
            boolean cut = text.length() >= SHORTEST_BEGINNING && text.length() < WHOLE;
            whole.add(cut ? begunWith(file, text) : id);
        }
        return whole;
    }

    private static String begunWith(Path file, String text) throws IOException {
        Set<String> found = new TreeSet<>();
        Set<String> asGiven = new HashSet<>();
        DeadLetterFile.letters(file, letter -> {
            if (letter.pcsId().equals(text) || Long.toString(letter.sequence()).equals(text)) {
                asGiven.add(text);
            }
            if (letter.pcsId().startsWith(text) && found.size() <= MOST_NAMED) {
                found.add(letter.pcsId());
            }
        });
        if (!asGiven.isEmpty() || found.isEmpty()) {
            return text;
        }
        if (found.size() > 1) {
            List<String> named =
                    found.stream().limit(MOST_NAMED).map(LetterIds::shown).toList();
            throw new IOException(Printable.of(text) + " is the beginning of several ids: " + String.join(", ", named)
                    + (found.size() > MOST_NAMED ? " and more" : "") + "; give more of it");
        }
        return found.iterator().next();
    }

    /** It may have come from outside as something else than an id. */
    private static String shown(String id) {
        return Printable.of(id.length() <= WHOLE ? id : id.substring(0, WHOLE) + CUT);
    }
}
