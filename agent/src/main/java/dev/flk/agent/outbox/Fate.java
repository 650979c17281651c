// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** What ended an entry, as the log keeps it. */
public enum Fate {
    /** Answered 200: accepted. */
    ACCEPTED("200"),
    /** Answered 202: escalated, or rejected by verification. */
    ESCALATED("202"),
    /** It is among the dead letters. */
    DEAD("dead"),
    /** The disk has lost it. */
    LOST("lost");

    private final String word;

    Fate(String word) {
        this.word = word;
    }

    /** As it stands in the log. */
    public String word() {
        return word;
    }

    /** Of a certificate that was answered with an outcome. */
    public static Fate ofStatus(int status) {
        return status == 200 ? ACCEPTED : ESCALATED;
    }

    static Fate ofWord(String word) {
        for (Fate fate : values()) {
            if (fate.word.equals(word)) {
                return fate;
            }
        }
        throw new IllegalArgumentException("no such fate: " + word);
    }
}
