// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import java.util.function.DoubleConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Comparisons of {@link CanonicalDouble} with {@link SlowDecimal}. The seeds are fixed; a failure reports the bits of
 * the double.
 */
class CanonicalDoublePropertyTest {
    /** The distance between the exponents of powers; the thorough build takes each. */
    private static final int EACH = Integer.getInteger("flk.each", 3);

    private int cases = 8_000;

    /**
     * The number of cases with doubles of any magnitude, which have up to a thousand digits and are slow in the
     * reference.
     */
    private int casesOfManyDigits = 5_000;

    @Tag("thorough")
    @Test
    void randomValues_manyMoreCases_agree() {
        cases = 100_000;
        casesOfManyDigits = 20_000;
        randomBits_agree();
        valuesAsCertificatesHaveThem_agree();
        usualMagnitudes_agree();
        exactTiesAndTheirNeighbours_agree();
        nearlyTies_agree();
        subnormals_agree();
        round9_again_changesNothing();
    }

    @Test
    void randomBits_agree() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < casesOfManyDigits; i++) {
            double x = Double.longBitsToDouble(random.nextLong());
            if (Double.isFinite(x)) {
                assertAgrees(x);
            }
        }
    }

    @Test
    void valuesAsCertificatesHaveThem_agree() {
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < cases; i++) {
            assertAgrees(random.nextDouble(-0.1, 5));
            assertAgrees(random.nextInt(-1_000_000, 5_000_000) / 1e6);
        }
    }

    @Test
    void usualMagnitudes_agree() {
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < cases; i++) {
            assertAgrees(Math.scalb(random.nextDouble(-1, 1), random.nextInt(-40, 60)));
        }
    }

    @Test
    void exactTiesAndTheirNeighbours_agree() {
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < cases / 4; i++) {
            // up to 2^32 / 1024 = 2^22, beyond the limit of the fast rounding, 2^21
            forNeighbours((random.nextLong(1L << 32) | 1) / 1024.0, CanonicalDoublePropertyTest::assertAgrees);
        }
    }

    @Test
    void nearlyTies_agree() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < cases / 4; i++) {
            long units = random.nextLong(1L << random.nextInt(10, 53));
            forNeighbours((units + 0.5) / 1e9, CanonicalDoublePropertyTest::assertAgrees);
        }
    }

    @Test
    void powersOfTwoAndOfTenWithNeighbours_agree() {
        for (int exponent = Double.MIN_EXPONENT - 52; exponent <= Double.MAX_EXPONENT; exponent += EACH) {
            forNeighbours(Math.scalb(1.0, exponent), CanonicalDoublePropertyTest::assertAgrees);
        }
        for (int exponent = -323; exponent <= 308; exponent += EACH) {
            for (int digit = 1; digit < 10; digit++) {
                forNeighbours(Double.parseDouble(digit + "e" + exponent), CanonicalDoublePropertyTest::assertAgrees);
            }
        }
    }

    @Test
    void subnormals_agree() {
        SplittableRandom random = new SplittableRandom(6);
        for (int bits = 0; bits < 2_000; bits++) {
            assertAgrees(Double.longBitsToDouble(bits));
        }
        for (int i = 0; i < 1_000; i++) {
            assertAgrees(Double.longBitsToDouble(random.nextLong(1L << 52)));
        }
        forNeighbours(Double.MIN_NORMAL, CanonicalDoublePropertyTest::assertAgrees);
    }

    @Test
    void limitsOfTheFastPaths_agree() {
        for (double limit :
                new double[] {0x1p21, 0x1p22, 0x1p23, 1e6, 1e15, 1e16, 0x1p53, 1e-4, 1e-9, Double.MAX_VALUE}) {
            forNeighbours(limit, CanonicalDoublePropertyTest::assertAgrees);
        }
    }

    @Test
    void round9_again_changesNothing() {
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < cases; i++) {
            double once = CanonicalDouble.round9(Math.scalb(random.nextDouble(), random.nextInt(-30, 40)));
            assertThat(CanonicalDouble.round9(once)).isEqualTo(once);
        }
    }

    private static void forNeighbours(double x, DoubleConsumer assertion) {
        for (double each : new double[] {x, -x, Math.nextDown(x), Math.nextUp(x)}) {
            if (Double.isFinite(each)) {
                assertion.accept(each);
            }
        }
    }

    private static void assertAgrees(double x) {
        assertSame(x, CanonicalDouble.print(x), SlowDecimal.print(x));
        double rounded = CanonicalDouble.round9(x);
        assertSame(x, rounded, SlowDecimal.round9(x));
        if (rounded != x) {
            assertSame(x, CanonicalDouble.print(rounded), SlowDecimal.print(rounded));
        }
        assertSame(x, Double.parseDouble(CanonicalDouble.print(x)), x);
    }

    /** Compares before it asserts: creating a million assertion descriptions would take longer than the comparisons. */
    private static void assertSame(double x, Object actual, Object expected) {
        if (!actual.equals(expected)) {
            assertThat(actual)
                    .as("of %s = 0x%x", x, Double.doubleToRawLongBits(x))
                    .isEqualTo(expected);
        }
    }
}
