// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import java.math.BigDecimal;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The numbers of one column. A column has one decimal separator: the one that the format gives, or a point if commas
 * separate the cells, or else the one that its cells show. {@code 970,5}, {@code 1234.500} and {@code 0.125} show it;
 * {@code 1.002} does not, because the point may group the digits of 1002. Where all cells have such a mark it is a
 * decimal separator, but next to whole numbers, as in {@code 999} and {@code 1.002}, the column remains unsettled until
 * a cell shows what the mark is. If commas separate the cells, where a point rarely groups digits, only whole numbers
 * of three digits have this effect.
 */
final class NumberColumn {
    private static final Pattern NUMBER = Pattern.compile("[+-]?(?:\\d+(?:([.,])\\d*)?|([.,])\\d+)(?:[eE][+-]?\\d+)?");
    /** A number whose only mark may group thousands. */
    private static final Pattern MAYBE_GROUPED = Pattern.compile("[+-]?[1-9]\\d{0,2}[.,]\\d{3}");

    private static final Pattern WHOLE = Pattern.compile("[+-]?\\d+");
    private static final int LONGEST_GROUP = 3;
    /** The blanks and apostrophes that programs write between groups, next to those on a keyboard. */
    private static final String BLANKS = " \u00a0\u2009\u202f";

    private static final String APOSTROPHES = "'\u2019";
    private static final Pattern GROUPED = Pattern.compile(
            "[+-]?[1-9]\\d{0,2}(?:([.,_" + BLANKS + APOSTROPHES + "])\\d{3})(?:\\1\\d{3})*(?:[.,]\\d*)?");

    /** The message about a cell that is no number in any notation. */
    static final String NO_NUMBER = "is not a decimal number";

    private final Optional<Character> declared;
    private final Optional<Pattern> grouped;
    private final Optional<Character> grouping;
    private final boolean hasPoint;
    private final boolean hasComma;
    /** Whether a cell showed that its mark is the decimal separator, or that thousands are not grouped. */
    private boolean isSettled;
    /** The mark of the cells so far; 0 before the first mark. */
    private char mark;

    private String marked = "";
    private long markedLine;
    private @Nullable String maybeGrouped;
    private long maybeGroupedLine;
    private boolean hasWhole;

    /**
     * Creates a column.
     *
     * @param isTime whether the numbers are times, which are not grouped and may have a point next to values with a
     *     comma
     */
    NumberColumn(CsvFormat format, char delimiter, boolean isTime) {
        grouping = isTime ? Optional.empty() : format.notation().grouping();
        declared = format.decimal().or(() -> grouping.flatMap(NumberColumn::otherMark));
        grouped = grouping.map(NumberColumn::groupedBy);
        boolean isComma = declared.map(decimal -> decimal == ',').orElse(delimiter != ',');
        hasComma = isComma;
        hasPoint = declared.isEmpty() || declared.get() == '.' || isTime;
        isSettled = declared.isPresent() || grouping.isPresent() || (isTime && !isComma);
    }

    private static Optional<Character> otherMark(char grouping) {
        return grouping == '.' ? Optional.of(',') : grouping == ',' ? Optional.of('.') : Optional.empty();
    }

    private static Pattern groupedBy(char grouping) {
        String marks = grouping == '\'' ? APOSTROPHES : grouping == ' ' ? BLANKS : String.valueOf(grouping);
        return Pattern.compile("([+-]?[1-9]\\d{0,2})((?:[" + marks + "]\\d{3})+)(|[.,]\\d*)");
    }

    /** Returns whether a text is a number with a point or a comma as its decimal separator. */
    static boolean isNumber(String text) {
        return NUMBER.matcher(text).matches();
    }

    /** Returns whether a text is a number, perhaps with grouped thousands. */
    static boolean mayBeNumber(String text) {
        return isNumber(text) || GROUPED.matcher(text).matches();
    }

    /** Returns whether a cell has a number that this column may have. */
    boolean accepts(String text) {
        String plain = withoutGroups(text);
        Matcher number = NUMBER.matcher(plain);
        return number.matches() && isAllowed(plain, markOf(number));
    }

    /** Returns the number that a cell with this text has, before it is read; empty if it has none. */
    OptionalDouble value(String text) {
        return accepts(text)
                ? OptionalDouble.of(Double.parseDouble(withoutGroups(text).replace(',', '.')))
                : OptionalDouble.empty();
    }

    /** Returns whether a comma may be the decimal separator. */
    boolean mayHaveComma() {
        return hasComma;
    }

    /**
     * Returns the number in a cell as a decimal with a point.
     *
     * @throws NotANumber if the cell has no number, or if its mark is not the decimal separator of the column
     */
    String read(String text, long line) throws NotANumber {
        String plain = withoutGroups(text);
        Matcher number = NUMBER.matcher(plain);
        if (!number.matches()) {
            throw new NotANumber(GROUPED.matcher(text).matches() ? hint(text) : NO_NUMBER);
        }
        char found = markOf(number);
        if (!isAllowed(plain, found)) {
            throw new NotANumber(hint(plain));
        }
        if (found != 0 && mark != 0 && mark != found) {
            throw new NotANumber(conflict(plain, found));
        }
        if (found != 0 && mark == 0) {
            mark = found;
            marked = plain;
            markedLine = line;
        }
        if (!isSettled) {
            note(plain, found, line);
        }
        return found == ',' ? plain.replace(',', '.') : plain;
    }

    private String withoutGroups(String text) {
        Matcher matcher = grouped.map(pattern -> pattern.matcher(text)).orElse(null);
        return matcher != null && matcher.matches()
                ? matcher.group(1) + matcher.group(2).replaceAll("\\D", "") + matcher.group(3)
                : text;
    }

    /** Returns whether a number of this file may have this mark as its decimal separator. */
    private boolean isAllowed(String plain, char found) {
        if (found == 0) {
            return true;
        }
        boolean isOther = declared.isPresent() && declared.get() != found;
        return (found == ',' ? hasComma : hasPoint)
                && !(isOther && MAYBE_GROUPED.matcher(plain).matches());
    }

    private String conflict(String text, char found) {
        boolean isFoundGrouping = MAYBE_GROUPED.matcher(text).matches();
        char group = isFoundGrouping ? found : mark;
        return "has a " + name(found) + ", but " + CsvCells.shown(marked) + " in line " + markedLine + " has a "
                + name(mark)
                + (isFoundGrouping || MAYBE_GROUPED.matcher(marked).matches()
                        ? "; give --grouping " + group + " if the " + name(group) + " groups thousands"
                        : "; a column has one decimal separator");
    }

    private static char markOf(Matcher number) {
        String found = number.group(1) != null ? number.group(1) : number.group(2);
        return found == null ? 0 : found.charAt(0);
    }

    /** Returns why a number with this text is refused, with the options that read it. */
    private String hint(String text) {
        Matcher groups = GROUPED.matcher(text);
        boolean isGrouped = groups.matches();
        char group = isGrouped ? groups.group(1).charAt(0) : 0;
        boolean maybeDecimal = !isGrouped || MAYBE_GROUPED.matcher(text).matches();
        char found = text.indexOf(',') >= 0 ? ',' : '.';
        String decimal =
                maybeDecimal ? "--decimal " + found + " if the " + name(found) + " is the decimal separator" : "";
        String groupingOption = isGrouped
                ? "--grouping "
                        + (APOSTROPHES.indexOf(group) >= 0
                                ? "\"'\""
                                : BLANKS.indexOf(group) >= 0 ? "' '" : String.valueOf(group))
                        + " if the " + name(group) + " groups thousands"
                : "";
        return NO_NUMBER
                + declared.map(mark -> " with a decimal " + name(mark)).orElse("")
                + "; give "
                + groupingOption
                + (isGrouped && maybeDecimal ? ", or " : "")
                + decimal;
    }

    private static String name(char mark) {
        return mark == '.'
                ? "point"
                : mark == ','
                        ? "comma"
                        : APOSTROPHES.indexOf(mark) >= 0 ? "apostrophe" : BLANKS.indexOf(mark) >= 0 ? "blank" : "mark";
    }

    private void note(String plain, char found, long line) {
        if (found == 0 && WHOLE.matcher(plain).matches()) {
            int digits = plain.replaceFirst("[+-]", "").length();
            isSettled = digits > LONGEST_GROUP;
            hasWhole |= hasComma || digits == LONGEST_GROUP;
        } else if (!MAYBE_GROUPED.matcher(plain).matches()) {
            isSettled = true;
        } else if (maybeGrouped == null) {
            maybeGrouped = plain;
            maybeGroupedLine = line;
        }
    }

    /**
     * Returns whether the cells so far leave open whether their mark groups thousands.
     *
     * @param isGrowing whether the cells after them are not written yet
     */
    boolean isUnsettled(boolean isGrowing) {
        return !isSettled && (hasWhole || isGrowing) && maybeGrouped != null;
    }

    /** Returns the decimal separator; empty if no cell showed it, or of a growing file only may have shown it. */
    Optional<Character> shown(boolean isGrowing) {
        return mark != 0 && (isSettled || !isGrowing) ? Optional.of(mark) : Optional.empty();
    }

    /** Returns the mistake of a column that is unsettled. */
    String unsettled(String name) {
        String text = String.valueOf(maybeGrouped);
        return "line " + maybeGroupedLine + ": column " + name + ": " + CsvCells.shown(text) + " is "
                + new BigDecimal(text.replaceAll("[.,]", "")).toPlainString() + " if the " + name(mark)
                + " groups thousands, "
                + (hasWhole ? "as the whole numbers of this column suggest, " : "")
                + "and " + text.replace(',', '.')
                + " if it is the decimal separator; give --grouping " + mark + " or --decimal " + mark;
    }

    /** Returns the decimal separator of the column, as shown to users; empty if no cell had one yet. */
    Optional<String> decimal() {
        return mark == 0 ? Optional.empty() : Optional.of(name(mark));
    }

    /** The error for a cell without a number of the column; the message continues a sentence about the cell. */
    static final class NotANumber extends Exception {
        NotANumber(String message) {
            super(message);
        }
    }
}
