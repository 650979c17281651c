// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** The settlement of an entry, as stored in the log. */
public enum SettledAs {
    /** Accepted: the answer was 200. */
    ACCEPTED("200"),
    /** Escalated, or rejected by verification: the answer was 202. */
    ESCALATED("202"),
    /** Given up: the certificate is among the dead letters. */
    DEAD("dead"),
    /** Lost by the disk. */
    LOST("lost");

    private final String word;

    SettledAs(String word) {
        this.word = word;
    }

    /** Returns the word for the settlement in the log. */
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
