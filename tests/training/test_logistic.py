"""Logistic regression in closed form: the solution of scikit-learn on all features, in a fraction of the time."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from emovoz.training.logistic import logistic_regression
from emovoz.training.row_space import RowSpace
from emovoz.training.sparse_rows import SparseRows


def clips(count: int, dim: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of unlike scales around means far from zero, and labels that have to do with them."""
    random = np.random.default_rng(count + dim + classes)
    targets = np.arange(count) % classes
    centres = random.standard_normal((classes, dim))
    scales = np.exp(random.standard_normal(dim))
    return (random.standard_normal((count, dim)) * 2 + centres[targets]) * scales + 30 * scales, targets


@pytest.mark.parametrize(("count", "dim"), [(60, 400), (300, 20)], ids=["more features", "more clips"])
@pytest.mark.parametrize("classes", [2, 4])
def test_every_strength_gives_what_scikit_learn_gives_on_all_features(count: int, dim: int, classes: int) -> None:
    vectors, targets = clips(count, dim, classes)
    by_class = np.linspace(0.5, 2, classes)
    strengths = [1e-4, 1e-2, 0.1]
    space = RowSpace.of(vectors)
    unseen, _ = clips(50, dim, classes)
    for strength in strengths:
        ours = logistic_regression(space.coordinates, targets, by_class[targets], strength)
        weights, bias = space.in_features(*ours)
        theirs = LogisticRegression(
            C=strength, class_weight=dict(enumerate(by_class)), solver="newton-cholesky", tol=1e-9
        ).fit(vectors, targets)
        scores = unseen @ weights.T + bias
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        np.testing.assert_allclose(chances, theirs.predict_proba(unseen), atol=2e-4)
        given = theirs.coef_ if classes > 2 else np.concatenate([-theirs.coef_, theirs.coef_]) / 2
        np.testing.assert_allclose(weights, given, atol=1e-3 * np.abs(given).max())


def test_vectors_that_repeat_each_other_span_no_more_than_they_do() -> None:
    vectors, _ = clips(10, 50, 2)
    space = RowSpace.of(np.concatenate([vectors, vectors, vectors.mean(0, keepdims=True)]))
    assert space.axes.shape == (9, 50)
    np.testing.assert_allclose(space.axes @ space.axes.T, np.eye(9), atol=1e-9)
    np.testing.assert_allclose((space.coordinates @ space.axes + space.mean)[:10], vectors, rtol=1e-9)


def test_vectors_that_are_all_the_same_leave_the_shares_of_the_labels() -> None:
    space = RowSpace.of(np.full((4, 3), 7.0))
    ours = logistic_regression(space.coordinates, np.array([0, 0, 0, 1]), np.ones(4), 1.0)
    weights, bias = space.in_features(*ours)
    scores = np.full((1, 3), 7.0) @ weights.T + bias
    np.testing.assert_allclose(np.exp(scores) / np.exp(scores).sum(), [[0.75, 0.25]], atol=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_sparse_rows_give_the_model_of_the_same_rows_with_their_mean_taken_from_them(classes: int) -> None:
    random = np.random.default_rng(classes)
    targets = np.arange(300) % classes
    values = random.random((300, 120)) * (random.random((300, 120)) < 0.05 + 0.1 * (targets == 1)[:, None])
    sparse, space = SparseRows(values, values.mean(0)), RowSpace.of(values)
    assert sparse.squared_length == pytest.approx(space.squared_length, rel=1e-12)
    weights = random.random(300)
    weights_of, bias = sparse.in_features(*logistic_regression(sparse, targets, weights, 3.0))
    dense_of, dense_bias = space.in_features(*logistic_regression(space.coordinates, targets, weights, 3.0))
    np.testing.assert_allclose(weights_of, dense_of, atol=1e-7)
    # a model of the values from their mean, in the place of one of the values
    np.testing.assert_allclose(bias, dense_bias + dense_of @ values.mean(0), atol=1e-7)
