// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.Comparator;
import java.util.Locale;
import java.util.stream.Stream;

/** The name that somebody who mistyped one most likely meant. */
final class NearestName {
    private NearestName() {}

    /** The candidate with the smallest edit distance, upper and lower case taken as equal. */
    static String to(String name, Stream<String> candidates) {
        String upper = name.toUpperCase(Locale.ROOT);
        return candidates
                .min(Comparator.comparingInt(candidate -> distance(upper, candidate)))
                .orElseThrow();
    }

    /** Levenshtein distance, one row at a time. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
