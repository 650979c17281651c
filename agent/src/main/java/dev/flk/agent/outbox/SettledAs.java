// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** How an entry was settled, as the log keeps it. */
public enum SettledAs {
    /** Answered 200: accepted. */
    ACCEPTED("200"),
    /** Answered 202: escalated, or rejected by verification. */
    ESCALATED("202"),
    /** It is among the dead letters. */
    DEAD("dead"),
    /** The disk has lost it. */
    LOST("lost");

    private final String word;

    SettledAs(String word) {
        this.word = word;
    }

    /** As it stands in the log. */
    public String word() {
        return word;
    }

    static SettledAs ofWord(String word) {
        for (SettledAs how : values()) {
            if (how.word.equals(word)) {
                return how;
            }
        }
        throw new IllegalArgumentException("no such settlement: " + word);
    }
}
