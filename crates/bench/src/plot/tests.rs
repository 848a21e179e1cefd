//! Tests of what is read, joined and drawn.

use serde_json::json;

use super::*;

fn own(data: &str) -> Value {
    json!({
        "peer": "vectorizer", "data": data, "rows": 1000, "dim": 8, "k": 10,
        "points": [{ "ef": 12, "recall": 0.5, "qps": 900.0 }, { "ef": 64, "recall": 0.99, "qps": 100.0 }],
    })
}

fn peers() -> Value {
    let curve = |peer: &str| json!({ "peer": peer, "points": [{ "recall": 0.9, "qps": 10.0 }] });
    json!({
        "data": { "name": "sift", "rows": 1000, "dimension": 8 }, "settings": { "k": 10 },
        "summary": [curve("a<b"), curve("vectorizer")],
    })
}

#[test]
fn our_own_and_the_peers_are_read_and_told_apart() {
    let pictures = [own("sift"), peers()].iter().map(Picture::of).collect::<Result<_>>().unwrap();
    let joined = Picture::joined(pictures).unwrap();
    let names: Vec<&str> = joined.curves.iter().map(|curve| curve.peer.as_str()).collect();
    assert_eq!(names, ["vectorizer", "a<b", "vectorizer (2)"]);
    let svg = joined.svg();
    assert!(svg.contains(">sift: 1,000 vectors of 8 components, k = 10<"), "{svg}");
    assert!(svg.contains(">recall@10<") && svg.contains(">a&lt;b<"), "{svg}");
    // The point below the floor is not drawn.
    assert_eq!(svg.matches("<circle").count(), 3);
    assert_eq!(svg.matches("<polyline").count(), 3);
}

#[test]
fn results_of_different_data_are_not_drawn_together() {
    let pictures = [own("glove"), peers()].iter().map(Picture::of).collect::<Result<_>>().unwrap();
    let refusal = Picture::joined(pictures).unwrap_err().to_string();
    assert!(refusal.contains("glove") && refusal.contains("sift"), "{refusal}");
    assert!(Picture::joined(Vec::new()).unwrap_err().to_string().contains("--beside"));
}

#[test]
fn what_is_no_result_is_refused_by_name() {
    for (gone, said) in [("points", "points"), ("k", "say k"), ("rows", "rows"), ("dim", "dim")] {
        let mut result = own("sift");
        result.as_object_mut().unwrap().remove(gone);
        let refusal = Picture::of(&result).unwrap_err().to_string();
        assert!(refusal.contains(said), "{refusal}");
    }
}

#[test]
fn axes_hold_every_point() {
    let curves = Picture::of(&own("sift")).unwrap().curves;
    let axes = Axes::over(&curves);
    for mark in &curves[0].marks {
        assert!((LEFT..=WIDTH - RIGHT).contains(&axes.x(mark.recall)), "{mark:?}");
        assert!((TOP..=HEIGHT - BOTTOM).contains(&axes.y(mark.qps)), "{mark:?}");
    }
    assert!(axes.y(900.0) < axes.y(100.0));
    assert!(
        Picture::of(&json!({ "data": "x", "rows": 1, "dim": 1, "k": 1, "points": [] }))
            .unwrap()
            .svg()
            .ends_with("</svg>\n")
    );
}
