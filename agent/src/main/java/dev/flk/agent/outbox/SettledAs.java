// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** The ways in which an entry can be settled, each with the word that the records of the log use for it. */
public enum SettledAs {
    /** Accepted: the answer was 200. */
    ACCEPTED("200"),
    /** Escalated or rejected by the backend's verification: the answer was 202. */
    ESCALATED("202"),
    /** Given up: the certificate became a dead letter. */
    DEAD("dead"),
    /** Lost: the disk can no longer read the certificate. The outbox keeps this settlement only in memory. */
    LOST("lost");

    private final String word;

    SettledAs(String word) {
        this.word = word;
    }

    /** Returns the word that the records of the log use for this value. */
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
