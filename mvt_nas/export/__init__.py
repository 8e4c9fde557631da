"""Networks in the forms that trainers and devices take, each with the proof that it is the same network; and back."""
