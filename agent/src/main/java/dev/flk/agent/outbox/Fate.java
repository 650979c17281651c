// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** What ended an entry, as the log keeps it. */
public enum Fate {
    /** Answered 200: accepted. */
    ACCEPTED("200", 1),
    /** Answered 202: escalated, or rejected by verification. */
    ESCALATED("202", 2),
    /** It is among the dead letters. */
    DEAD("dead", 3),
    /** The disk has lost it. */
    LOST("lost", 4);

    private final String word;
    private final byte code;

    Fate(String word, int code) {
        this.word = word;
        this.code = (byte) code;
    }

    /** A small number, never 0, for where memory counts. */
    byte code() {
        return code;
    }

    static Fate ofCode(int code) {
        for (Fate fate : values()) {
            if (fate.code == code) {
                return fate;
            }
        }
        throw new IllegalArgumentException("no fate has the code " + code);
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
