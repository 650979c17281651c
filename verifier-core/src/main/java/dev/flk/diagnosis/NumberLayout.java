// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.canonical.CanonicalDouble;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * How languages spell a real: whether a whole number keeps its {@code .0}, from which size on there is an exponent, and how it
 * looks. All of them print the shortest digits that read back, which is what {@link CanonicalDouble#print} finds.
 */
enum NumberLayout {
    /** {@code 1.0}, {@code 1e-05}, {@code 1e-09}, {@code 1e+16}: the one that is signed. */
    PYTHON("Python does"),
    /** The same, but what the certificate writes as an integer stays one: {@code round(1, 9)} is {@code 1}. */
    PYTHON_INTEGERS("Python does without float(), whole ones as integers"),
    /** {@code 1}, {@code 0.00001}, {@code 1e-9}, {@code 1e+21}. */
    ECMASCRIPT("JavaScript and Go do, like 1 or 1e-9", "", "", -6, 20, "e", "+", 1),
    /** {@code 1.0}, {@code 1.0E-5}, {@code 1.0E-9}, {@code 1.0E7}. */
    JAVA("Java's Double.toString does, like 1.0E-9", ".0", ".0", -3, 6, "E", "", 1),
    /** {@code 1}, {@code 1E-05}, {@code 1E-09}, {@code 1E+15}. */
    DOTNET("C# does, like 1 or 1E-09", "", "", -4, 14, "E", "+", 2),
    /** {@code 1.0}, {@code 0.00001}, {@code 1e-9}, {@code 1e16}. */
    RUST("Rust's serde_json does, like 1e-9", ".0", "", -5, 15, "e", "", 1),
    /** {@code 1}, {@code 1.0e-5}, {@code 1.0e-9}, {@code 1.0e+17}. */
    PHP("PHP does, like 1 or 1.0e-9", "", ".0", -4, 16, "e", "+", 1),
    /** {@code 1.0}, {@code 1.0e-05}, {@code 1.0e-09}, {@code 1.0e+16}. */
    RUBY("Ruby does, like 1.0e-09", ".0", ".0", -4, 15, "e", "+", 2),
    /** {@code 1.0}, {@code 0.000000001}. */
    PLAIN("decimals without exponent, like 0.000000001", ".0", "", Integer.MIN_VALUE, Integer.MAX_VALUE, "", "", 0),
    /** {@code 1}, {@code 0.000000001}. */
    PLAIN_INTEGERS(
            "decimals without exponent, whole ones without .0",
            "",
            "",
            Integer.MIN_VALUE,
            Integer.MAX_VALUE,
            "",
            "",
            0),
    /** {@code 1.000000000}: as many decimals as were rounded to. */
    FIXED("decimals of a fixed length, like 1.500000000"),
    /** Whatever stands in the certificate. */
    AS_WRITTEN("they stand in the certificate");

    private final String displayName;
    private final String wholeSuffix;
    private final String mantissaSuffix;
    private final int plainFrom;
    private final int plainTo;
    private final String exponentMark;
    private final String plusSign;
    private final int exponentDigits;

    NumberLayout(String displayName) {
        this(displayName, "", "", 0, 0, "", "", 0);
    }

    /**
     * @param wholeSuffix behind a whole number without an exponent
     * @param mantissaSuffix behind a single digit before an exponent
     * @param plainFrom the smallest power of ten without an exponent
     * @param plainTo the greatest one
     */
    NumberLayout(
            String displayName,
            String wholeSuffix,
            String mantissaSuffix,
            int plainFrom,
            int plainTo,
            String exponentMark,
            String plusSign,
            int exponentDigits) {
        this.displayName = displayName;
        this.wholeSuffix = wholeSuffix;
        this.mantissaSuffix = mantissaSuffix;
        this.plainFrom = plainFrom;
        this.plainTo = plainTo;
        this.exponentMark = exponentMark;
        this.plusSign = plusSign;
        this.exponentDigits = exponentDigits;
    }

    /** Who spells reals so; completes "spelled as". */
    String displayName() {
        return displayName;
    }

    /**
     * The spelling of a finite {@code x}.
     *
     * @param literal how the certificate spells the number that became {@code x}
     * @param isInteger whether that is an integer
     * @param decimals how many to print where their number is fixed
     */
    String print(double x, String literal, boolean isInteger, int decimals) {
        return switch (this) {
            case PYTHON -> CanonicalDouble.print(x);
            case PYTHON_INTEGERS -> isInteger ? Literals.integer(literal) : CanonicalDouble.print(x);
            case FIXED ->
                new BigDecimal(x).setScale(decimals, RoundingMode.HALF_EVEN).toPlainString();
            case AS_WRITTEN -> literal;
            default -> layOut(x);
        };
    }

    private String layOut(double x) {
        String sign = Double.doubleToRawLongBits(x) < 0 ? "-" : "";
        if (x == 0) {
            return (this == ECMASCRIPT ? "" : sign) + "0" + wholeSuffix;
        }
        BigDecimal shortest = new BigDecimal(CanonicalDouble.print(Math.abs(x))).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= plainFrom && exponent <= plainTo) {
            String plain = shortest.toPlainString();
            return sign + plain + (plain.indexOf('.') < 0 ? wholeSuffix : "");
        }
        String digits = shortest.unscaledValue().toString();
        String mantissa = digits.length() == 1 ? digits + mantissaSuffix : digits.charAt(0) + "." + digits.substring(1);
        String size = Integer.toString(Math.abs(exponent));
        return sign
                + mantissa
                + exponentMark
                + (exponent < 0 ? "-" : plusSign)
                + "0".repeat(Math.max(0, exponentDigits - size.length()))
                + size;
    }
}
